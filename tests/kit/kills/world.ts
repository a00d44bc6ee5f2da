import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DbSocket } from '../../../src/db/client.ts';
import { type Embedded, startEmbedded } from '../../../src/db/embedded.ts';
import { createSql, type Sql } from '../../../src/db/sql.ts';
import { createLog } from '../../../src/log.ts';
import { descendantsOf, isolateHostsOf, type Process } from '../processes.ts';
import { type RunningCore, startCore } from '../start-core.ts';
import { until } from '../until.ts';

/** What a kill may hit: the core; its isolate hosts; the database server, or one process of it (it starts over by itself). */
export const VICTIMS = ['core', 'host', 'postgres', 'backend'] as const;
export type Victim = (typeof VICTIMS)[number];

/** Milliseconds in which everything has to be ready again after a kill; a start takes about two seconds. */
const READY_MS = 20_000;

/** A core whose PostgreSQL and data folder outlive it: what a kill leaves there is what the next one finds. */
export class World implements AsyncDisposable {
  readonly home: string;
  readonly #log = createLog('silent');
  #postgres: Embedded;
  #core: RunningCore | null = null;
  /** Processes that are to end by the last kill. */
  #doomed: ReadonlySet<number> = new Set();

  private constructor(home: string, postgres: Embedded) {
    this.home = home;
    this.#postgres = postgres;
  }

  static async open(): Promise<World> {
    const home = await mkdtemp(join(tmpdir(), 'streamspace-kills-'));
    const world = new World(home, await startEmbedded({ dataDir: home, log: createLog('silent') }));
    try {
      await world.#start();
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  get core(): RunningCore {
    if (this.#core === null) throw new Error('there is no core at the moment');
    return this.#core;
  }

  /** The core's data folder. */
  get dataDir(): string {
    return join(this.home, 'data');
  }

  /** Statements in the core's database, as the server's superuser. */
  sql(): Sql {
    return createSql({ address: this.#postgres.address, max: 1, log: this.#log });
  }

  /** SIGKILL; `recover` brings back what does not come back by itself. */
  async kill(victim: Victim, pick: (count: number) => number): Promise<void> {
    if (victim === 'core') return this.core.kill();
    const targets = this.#processesOf(victim);
    if (targets.length === 0) throw new Error(`there is no ${victim} to kill`);
    // The server ends all its processes with one of them.
    this.#doomed = new Set(targets);
    const killed = victim === 'backend' ? targets.slice(pick(targets.length)).slice(0, 1) : targets;
    for (const pid of killed) process.kill(pid, 'SIGKILL');
  }

  /** Waits until the product is whole again. @throws Error with what is not */
  async recover(victim: Victim): Promise<void> {
    if (victim === 'core') await this.restart();
    else {
      const isThere = ({ pid }: Process): boolean => this.#doomed.has(pid);
      const parent = victim === 'host' ? this.core.pid : this.#postgres.pid;
      await until(() => !descendantsOf(parent).some(isThere), 'what was killed is gone', READY_MS);
    }
    if (victim === 'postgres') {
      await this.#postgres.exited;
      this.#postgres = await startEmbedded({ dataDir: this.home, log: this.#log });
    }
    let seen = '';
    const isReady = async (): Promise<boolean> => {
      const { status, body } = await this.core.api('GET', '/readyz?verbose', { token: null });
      const plugins = await this.core.api('GET', '/api/plugins?enabled=true');
      seen = JSON.stringify([body, plugins.body.plugins?.map(shownState) ?? plugins.body]);
      return status === 200 && plugins.status === 200 && plugins.body.plugins.every(isActive);
    };
    await until(isReady, 'everything is ready again', READY_MS).catch((error: Error) => {
      throw new Error(`${error.message}, but ${seen}`);
    });
  }

  /** Another core in the place of the one that was killed, or is stopped now. */
  async restart(): Promise<void> {
    await this.core.stop();
    this.#core = null;
    await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#core?.stop();
    await this.#postgres.stop();
    await rm(this.home, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const env = { DATABASE_URL: urlOf(this.#postgres.address) };
    this.#core = await startCore({ dataDir: this.dataDir, database: 'embedded', env });
  }

  #processesOf(victim: Exclude<Victim, 'core'>): number[] {
    if (victim === 'host') return isolateHostsOf(this.core.pid);
    if (victim === 'postgres') return [this.#postgres.pid];
    const sessions = descendantsOf(this.#postgres.pid).filter(({ command }) => / \[local\] /.test(command));
    return sessions.map(({ pid }) => pid);
  }
}

interface ShownPlugin {
  readonly name: string;
  readonly state: string;
  readonly error: unknown;
}

const isActive = ({ state }: ShownPlugin): boolean => state === 'active';
const shownState = ({ name, state, error }: ShownPlugin): string => `${name}: ${state} ${JSON.stringify(error)}`;

/** The server as an operator would give it. */
function urlOf({ socketDir, port, user, password, database }: DbSocket): string {
  return `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${database}?host=${encodeURIComponent(socketDir)}`;
}
