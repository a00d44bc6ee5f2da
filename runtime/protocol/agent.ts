/**
 * How the core speaks with the agent, which starts isolate hosts in another container (runtime/agent.ts). Each process has
 * two connections to the agent's socket: one with lines of JSON, as below, whose end is the end of the process; and the
 * channel (frame.ts), which the process inherits after one line with the token.
 */

/** What the core says first on a connection, and what it may say later. */
export type AgentRequest =
  /** What the container offers; answered by `AgentHello`, then the connection ends. */
  | { readonly hello: true }
  /** Prepare a process. `blackBox` names the file that the core made beside the socket; answered by `AgentAttach`. */
  | { readonly start: string }
  /** This connection is the channel of the process with that token: it is started now. */
  | { readonly attach: string }
  /** After `start`: end the process at once. */
  | { readonly kill: true };

/** How processes are locked in there. */
export interface AgentHello {
  readonly is: 'hello';
  /** A filter on system calls. */
  readonly seccomp: boolean;
  /** Nothing but the code can be read (Landlock). */
  readonly files: boolean;
  /** Why there is less than both; '' when nothing is wrong. */
  readonly problem: string;
}

/** What the agent says on the connection of a process. */
export type AgentMessage =
  | AgentHello
  | { readonly is: 'attach'; readonly token: string }
  | { readonly is: 'started'; readonly pid: number }
  /** Bytes of the process in memory; every `memoryMs`, also when nothing changed: it is the agent's sign of life. */
  | { readonly is: 'memory'; readonly bytes: number }
  /** What the process printed. */
  | { readonly is: 'output'; readonly text: string }
  /** It is no more: its exit code, or 128 and the signal. */
  | { readonly is: 'exit'; readonly code: number }
  /** It could not be started. */
  | { readonly is: 'failed'; readonly message: string };

/** Limits of these connections: data, with the reason beside each number. */
export const AGENT_LIMITS = {
  /** Characters of a line to the agent: a name or a token, and some room. */
  requestChars: 200,
  /** Characters of a line to the core: a piece of output, escaped. */
  answerChars: 65_536,
  /** Milliseconds until a connection has said what it is for, and until a channel is attached: both are next door. */
  greetMs: 5_000,
  /** Processes at a time: more than placements make (builtin, verified, eight for strangers, some of their own), less than kills a node. */
  processes: 64,
  /** Connections that have not said yet what they are for. */
  strangers: 64,
  /** Bytes of answers that wait for a core that does not read: some minutes of reports. */
  unreadBytes: 1_048_576,
  /** Milliseconds between two reports of memory: as often as the core looks. */
  memoryMs: 50,
  /** Milliseconds without a report after which the agent is given up: twice what a busy machine has been seen to take. */
  silenceMs: 5_000,
  /** Characters of one piece of output; and those of a minute, after which the process has to wait to print more. */
  outputChars: 8_192,
  outputCharsPerMinute: 65_536,
} as const;

/** Names of black boxes, and tokens: 128 random bits, so that none is guessed. */
export const AGENT_NAME = /^[0-9a-f]{32}$/;
