import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** Counts the contents of each plugin that are under way, in either direction. */
export class Transfers {
  readonly #max: number;
  readonly #underWay = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Begins one; ends it with what it answers, however often that is called.
   * @throws CodedError `quota_exceeded`
   */
  begin(plugin: string): () => void {
    const now = this.#underWay.get(plugin) ?? 0;
    if (now >= this.#max) {
      throw new CodedError(
        'quota_exceeded',
        `At most ${this.#max} contents of files are under way at once; read or cancel the bodies of others`,
      );
    }
    this.#underWay.set(plugin, now + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const left = (this.#underWay.get(plugin) ?? 0) - 1;
      if (left > 0) this.#underWay.set(plugin, left);
      else this.#underWay.delete(plugin);
    };
  }
}
