import type { Api, ApiAnswer } from '../api-client.ts';
import { tryInstall } from '../plugin.ts';
import type { RunningCore } from '../start-core.ts';
import { expected, type Parts, packages, type Snapshot, snapshotOf } from './subject.ts';

/** A change that a kill may fall into: it leads from number n to number n + 1, by all of it or not at all. */
export interface Scene {
  /** The plugin's name too. */
  readonly name: string;
  /** Begins the change that leads to a number. */
  change(core: Api, to: number): Promise<ApiAnswer>;
  /** What is seen at a number; null: no plugin. */
  expected(number: number): Snapshot | null;
}

const packageOf = packages();

const install = async (core: Api, name: string, number: number): Promise<ApiAnswer> =>
  tryInstall(core, await packageOf(name, number), { grants: 'all', config: { number } });

/** A change that the plugin itself makes, at its endpoint of that name. */
const ofPlugin = (name: string, what: string, parts: (number: number) => Parts): Scene => ({
  name,
  change: (core, to) =>
    to === 0 ? install(core, name, 0) : core.api('POST', `/api/plugins/${name}/${what}/${to}`, { token: null }),
  expected: (number) => expected(parts(number)),
});

/** The changes that are cut short; each has a plugin of its own. */
const SCENES: readonly Scene[] = [
  {
    name: 'upgrading',
    change: (core, to) => install(core, 'upgrading', to),
    expected: (number) => expected({ code: number, config: number, schema: number }),
  },
  {
    // Even numbers: it is there.
    name: 'coming-and-going',
    change: (core, to) =>
      to % 2 === 0
        ? install(core, 'coming-and-going', 0)
        : core.api('DELETE', '/api/plugins/coming-and-going?data=drop'),
    expected: (number) => (number % 2 === 0 ? expected({}) : null),
  },
  ofPlugin('setting', 'set', (value) => ({ value })),
  ofPlugin('putting', 'put', (file) => ({ file })),
  ofPlugin('booking', 'book', (ledger) => ({ ledger })),
  ofPlugin('migrating', 'migrate', (schema) => ({ schema })),
];

/** What is there although it is neither the old state nor the new one. */
export interface Tear {
  readonly scene: string;
  readonly found: Snapshot | null;
  readonly allowed: readonly (Snapshot | null)[];
}

/** A scene on its way through the kills. */
export class Played {
  readonly scene: Scene;
  /** At which number its plugin is. */
  #number = -1;
  #tookMs = 0;

  private constructor(scene: Scene) {
    this.scene = scene;
  }

  static all(): Played[] {
    return SCENES.map((scene) => new Played(scene));
  }

  /** Milliseconds that its change takes undisturbed. */
  get tookMs(): number {
    return this.#tookMs;
  }

  /** Makes the change undisturbed, to learn how long it takes. */
  async rehearse(core: RunningCore): Promise<void> {
    const begun = performance.now();
    const { status, body } = await this.scene.change(core, this.#number + 1);
    if (status >= 300) {
      const said = core.lines.filter(({ level }) => level === 'error').slice(-3);
      throw new Error(
        `${this.scene.name} answers ${status}: ${JSON.stringify(body)}; the core said ${JSON.stringify(said)}`,
      );
    }
    this.#tookMs = performance.now() - begun;
    this.#number += 1;
  }

  /**
   * Begins the change so that what happens `inMs` from now falls into the given part of it.
   *
   * @param part 0: it is just beginning; 1: it is about to be over
   * @returns whether it was answered as done
   */
  async begin(core: Api, part: number, inMs: number): Promise<boolean> {
    await Bun.sleep(Math.max(0, inMs - part * this.#tookMs));
    return this.scene.change(core, this.#number + 1).then(
      ({ status }) => status < 300,
      () => false,
    );
  }

  /**
   * Looks at what a kill left, and goes on from there.
   *
   * @param isDone whether the change was answered as done: then nothing but the new state will do
   * @returns null when it is the old state or the new one
   */
  async settle(core: Api, isDone: boolean): Promise<Tear | null> {
    const numbers = isDone ? [this.#number + 1] : [this.#number, this.#number + 1];
    const found = await snapshotOf(core, this.scene.name);
    const now = numbers.find((number) => Bun.deepEquals(found, this.scene.expected(number), true));
    if (now === undefined) {
      return { scene: this.scene.name, found, allowed: numbers.map((number) => this.scene.expected(number)) };
    }
    this.#number = now;
    return null;
  }
}
