import type { BlackBoxFile } from './black-box.ts';
import type { ChannelAddress } from './channel.ts';

/** The process of an isolate host, wherever it runs: a child of the core, or one of an agent in another container. */
export interface HostChild {
  readonly blackBox: BlackBoxFile;
  /** Where its channel is. For an agent, the process is started when that is opened. */
  readonly channel: ChannelAddress;
  /** Its process id; of an agent's child, the one that its container knows. @throws Error when it did not start */
  readonly started: Promise<number>;
  /** Its exit code, or 128 and the signal that ended it. */
  readonly exited: Promise<number>;
  /** Resolves with a reason when nothing is known of it any more; nobody in it is to blame. */
  readonly lost: Promise<string>;
  /** Bytes in memory, by another's word than its own; 0 when that is not known. */
  residentBytes(): number;
  /** SIGKILL, whatever it is doing. */
  kill(): void;
}
