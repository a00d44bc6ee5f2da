import { text } from 'node:stream/consumers';
import type { Config } from '../../config.ts';

/** What one check of the machine found. */
export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail';
  /** What was seen, in one line. */
  readonly detail: string;
  /** What to do about it. */
  readonly help?: string;
}

/** Looks at one thing; it changes nothing that stays. */
export type Check = (config: Config) => Promise<Finding> | Finding;

/** Runs a program and answers its output; it has no environment of ours. Errors: `Error` with what it said. */
export async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { env: {}, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', timeout: 20_000 });
  const [code, out, err] = await Promise.all([child.exited, text(child.stdout), text(child.stderr)]);
  if (code === 0) return out.trim();
  const said = err.trim().split('\n').at(-1) ?? '';
  throw new Error(`${command[0]} ended with ${child.signalCode ?? code}${said === '' ? '' : `: ${said}`}`);
}

/** The message of whatever was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
