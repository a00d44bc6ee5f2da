import type { Handlers } from '../_kit/contract.ts';
import type { logContract } from './contract.ts';
import type { LogLevel } from './levels.ts';

export interface LogDeps {
  /** Takes a line as the guest sent it: limits, redaction and escaping are the log's. Never throws. */
  readonly write: (
    plugin: string,
    line: {
      readonly level: LogLevel;
      readonly message: string;
      readonly fields?: Readonly<Record<string, unknown>>;
      readonly isolate: number;
    },
  ) => void;
}

/** The core's half of `streamspace.log` and `console`. */
export function createLogBroker({ write }: LogDeps): Handlers<typeof logContract> {
  return {
    write: ({ plugin, isolate }, line) => {
      write(plugin, { ...line, isolate });
      return {};
    },
  };
}
