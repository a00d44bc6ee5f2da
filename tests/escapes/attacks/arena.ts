import { join } from 'node:path';
import { residentBytes } from '../../../src/host/resident-memory.ts';
import { install, tempFolder, tryInstall, writePlugin } from '../../kit/plugin.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';
import { until } from '../../kit/until.ts';
import { type Attack, allowed, type Stop } from './attack.ts';
import { deathsIn, type Notice, noticesOf } from './observe.ts';
import { attacker, healthy } from './plugins.ts';
import { type Load, type LoadTarget, SteadyLoad, type TargetReport } from './steady-load.ts';
import { codeOf, friendOf, prepare, trigger } from './trigger.ts';

/** Healthy plugins: strangers like the attacker, and those of a watched folder. */
const UPLOADED = Array.from({ length: 12 }, (_, at) => `upload-${at + 1}`);
const WATCHED = Array.from({ length: 8 }, (_, at) => `watched-${at + 1}`);
export const HEALTHY: readonly string[] = [...UPLOADED, ...WATCHED];
/** Milliseconds until an attack has to be over: the deadlines that are waited for are 2 s. */
const OVER_MS = 15_000;
/** Prompt good answers of each plugin after which calm is back. */
const CALM_ANSWERS = 1;

/** What came of an attack. */
export interface Outcome {
  readonly attack: Attack;
  /** `<status> <code>` of each answer to the attack. */
  readonly answers: readonly string[];
  readonly stops: readonly Stop[];
  /** What was said of the attacker. */
  readonly notices: readonly Notice[];
  /** What was said of others. */
  readonly others: readonly Notice[];
  /** Why host processes ended meanwhile. */
  readonly deaths: readonly string[];
  /** Milliseconds from the attack until somebody noticed; null when nobody had to. */
  readonly noticedMs: number | null;
  /** State of the attacker afterwards; null when it is not installed. */
  readonly state: string | null;
  readonly load: readonly TargetReport[];
}

/** A core with healthy plugins under steady load, and attackers that come and go one after the other. */
export class Arena implements AsyncDisposable {
  readonly core: RunningCore;
  readonly load: Load;
  readonly #folder: AsyncDisposable;
  #attackers = 0;

  private constructor(core: RunningCore, load: Load, folder: AsyncDisposable) {
    this.core = core;
    this.load = load;
    this.#folder = folder;
  }

  /**
   * @param everyMs milliseconds between two requests of the same healthy plugin
   * @param startLoad where the load comes from; this process when absent
   */
  static async open(
    everyMs: number,
    startLoad = async (targets: readonly LoadTarget[], _core: RunningCore): Promise<Load> => new SteadyLoad(targets),
  ): Promise<Arena> {
    const folder = await tempFolder();
    for (const name of WATCHED) await writePlugin(join(folder.path, name), healthy(name));
    const core = await startCore({ pluginDirs: [folder.path] });
    for (const name of UPLOADED) await install(core, healthy(name));
    const targets = HEALTHY.map((name) => ({ name, url: `${core.url}/api/plugins/${name}/hello`, everyMs }));
    const arena = new Arena(core, await startLoad(targets, core), folder);
    await arena.load.settled(CALM_ANSWERS, OVER_MS);
    return arena;
  }

  /**
   * Installs an attacker, lets it go, and waits until it is over and calm is back. Nothing of the attacker stays.
   *
   * @throws Error when it does not end in the way that it should, or calm does not come back
   */
  async suffer(attack: Attack): Promise<Outcome> {
    this.#attackers += 1;
    const name = `attacker-${this.#attackers}`;
    const names = attack.pair === true ? [name, friendOf(name)] : [name];
    await this.load.take();
    const firstLine = this.core.lines.length;
    try {
      const { since, answers } = await this.#letGo(names, attack);
      let notices: Notice[] = [];
      const hasEnded = async (): Promise<boolean> => {
        notices = await this.#noticesOf(names, since);
        return allowed(attack).stops.some((stop) => stopsOf(notices, answers).includes(stop));
      };
      await until(hasEnded, `it ends by ${attack.stops.join(' or ')}`, OVER_MS).catch((error: Error) => {
        const so = stopsOf(notices, answers).join(', ');
        throw new Error(`${error.message}, but by ${so} (${[...new Set(answers)].join(', ')})`);
      });
      const state = await this.#settled(name, attack);
      await this.load.settled(CALM_ANSWERS, OVER_MS);
      notices = await this.#noticesOf(names, since);
      return {
        attack,
        answers,
        stops: stopsOf(notices, answers),
        notices,
        others: await this.#noticesOf(HEALTHY, since),
        deaths: deathsIn(this.core.lines.slice(firstLine)),
        noticedMs: notices[0] === undefined ? null : notices[0].at - since,
        state,
        load: await this.load.take(),
      };
    } finally {
      for (const plugin of [name, friendOf(name)]) await this.core.api('DELETE', `/api/plugins/${plugin}`);
    }
  }

  /** The names of healthy plugins that are not as they should be. */
  async ill(): Promise<string[]> {
    const { body } = await this.core.api('GET', '/api/plugins');
    const found = body.plugins as { name: string; state: string; error: unknown }[];
    return HEALTHY.filter((name) => {
      const plugin = found.find((one) => one.name === name);
      return plugin?.state !== 'active' || plugin.error !== null;
    });
  }

  /** Resident memory of the core. */
  coreBytes(): number {
    return residentBytes(this.core.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.load.stop();
    await this.core.stop();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #letGo(names: readonly string[], attack: Attack): Promise<{ since: number; answers: string[] }> {
    const begun = Date.now();
    const installs = [];
    for (const name of names) installs.push(await tryInstall(this.core, attacker(name, attack), { grants: 'all' }));
    if (installs.some(({ status }) => status !== 201)) return { since: begun, answers: installs.map(codeOf) };
    for (const name of names) await prepare(this.core, name, attack);
    const since = Date.now();
    const answers = await Promise.all(names.map((name) => trigger(this.core, name, attack)));
    return { since, answers: answers.flat() };
  }

  /** The state in which the attacker ends; null when it is not installed. */
  async #settled(name: string, { states }: Attack): Promise<string | null> {
    const settled = async (): Promise<string | false> => {
      const { status, body } = await this.core.api('GET', `/api/plugins/${name}`);
      const state = status === 404 ? 'absent' : (body.state as string);
      return (states === undefined ? state !== 'loading' : states.includes(state)) && state;
    };
    const state = await until(settled, `the attacker is ${states?.join(' or ') ?? 'settled'}`, OVER_MS);
    return state === 'absent' ? null : state;
  }

  async #noticesOf(names: readonly string[], since: number): Promise<Notice[]> {
    return (await Promise.all(names.map((name) => noticesOf(this.core, name, since)))).flat();
  }
}

/** What ended an attack, by what was noticed of it, else by how it was answered; nothing yet when that does not say it. */
function stopsOf(notices: readonly Notice[], answers: readonly string[]): Stop[] {
  if (notices.length > 0) return [...new Set(notices.map(({ stop }) => stop))];
  if (answers.some((answer) => answer.includes('plugin_load_failed'))) return ['load'];
  if (answers.some((answer) => /deadline|unavailable/.test(answer))) return [];
  const good = (answer: string): boolean => /^2\d\d$|^hung up$/.test(answer);
  return answers.every(good) ? ['nothing'] : ['refused'];
}
