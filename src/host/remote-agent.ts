import { AGENT_LIMITS } from '../../runtime/protocol/agent.ts';
import type { Log } from '../log.ts';
import { openAgentLine } from './agent-line.ts';
import type { AgentAnswer } from './agent-messages.ts';
import { describeLocks, type LayerReport } from './confinement.ts';
import type { HostChild } from './host-child.ts';
import { HOST_LIMITS } from './limits.ts';
import type { Locks } from './lockdown-plan.ts';
import { prepareRemoteChild, unreachable } from './remote-child.ts';

/** Milliseconds between two attempts to reach an agent that is not there yet. */
const RETRY_MS = 250;
/** What a socket says whose agent has not begun to listen, or is being started again. */
const NOT_YET: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED']);

/**
 * The agent that starts isolate hosts in another container (runtime/agent.ts), over a socket in a folder that both see. It
 * is believed what it says of its processes' memory and end; it is as hostile as they are, should one have taken it over.
 */
export class RemoteAgent {
  readonly #path: string;
  #locks: Locks | null = null;
  #problem: string | null = null;
  /** Processes that run there. */
  #alive = 0;

  /** @param path of the agent's socket */
  constructor(path: string) {
    this.#path = path;
  }

  /** Why no process could be started there the last time; null when it could, or some run. */
  get problem(): string | null {
    return this.#alive > 0 ? null : this.#problem;
  }

  /**
   * Asks how processes are locked in there; waits for an agent that is not there yet.
   *
   * @param waitMs how long
   * @throws Error when it cannot be reached in time, or answers something else
   */
  async describe(waitMs: number = HOST_LIMITS.agentWaitMs): Promise<LayerReport> {
    const until = performance.now() + waitMs;
    for (;;) {
      const answer = await this.#ask();
      if (typeof answer !== 'string') {
        this.#locks = answer;
        const detail = `in another container: ${describeLocks('permission', answer, answer.problem)}`;
        return { layer: 'permission', available: true, seccomp: answer.seccomp, files: answer.files, detail };
      }
      if (!NOT_YET.has(answer) || performance.now() > until) throw new Error(unreachable(this.#path, answer));
      await Bun.sleep(RETRY_MS);
    }
  }

  /** What it offers, or why it did not say so. */
  #ask(): Promise<Extract<AgentAnswer, { is: 'hello' }> | string> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => line.close(), AGENT_LIMITS.greetMs);
      const line = openAgentLine(
        this.#path,
        { hello: true },
        {
          onMessage: (message) => resolve(message.is === 'hello' ? message : 'it says something else than was asked'),
          onEnd: (reason) => {
            clearTimeout(timer);
            resolve(reason);
          },
        },
      );
    });
  }

  /**
   * Prepares a process; it is started when its channel is opened.
   *
   * @throws Error when the agent does not answer in time, or offers fewer locks than it did
   */
  async startChild(log: Log): Promise<HostChild> {
    try {
      const child = await prepareRemoteChild({ path: this.#path, locks: this.#locks, log });
      child.started.then(
        () => {
          this.#problem = null;
          this.#alive += 1;
          void child.over.then(() => {
            this.#alive -= 1;
          });
        },
        (error: unknown) => this.#fail(error),
      );
      return child;
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    this.#problem = error instanceof Error ? error.message : String(error);
  }
}
