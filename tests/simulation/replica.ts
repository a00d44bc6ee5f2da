import { Process, type ProcessDeps } from './process.ts';

/** How long it takes until whoever watches over the processes has started one again that could not start. */
const START_AGAIN_MS = 300;

export type ReplicaDeps = Omit<ProcessDeps, 'skewMs'> & { readonly skewMs: number };

/** A machine on which cores live, one after the other. */
export class Replica {
  process: Process | null = null;
  readonly #deps: ReplicaDeps;
  #skewMs: number;
  #lives = 0;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
    this.#skewMs = deps.skewMs;
  }

  get name(): string {
    return this.#deps.name;
  }

  start(): void {
    if (this.process) return;
    const process = new Process({ ...this.#deps, skewMs: () => this.#skewMs }, ++this.#lives);
    this.process = process;
    this.#deps.world.note(this.name, () => 'starts');
    process.start().catch(() => this.#again(process, START_AGAIN_MS));
  }

  /** Kills the core, and starts another. */
  crash(forMs: number): void {
    if (!this.process) return;
    this.#deps.world.note(this.name, () => 'crashes');
    this.#again(this.process, forMs);
  }

  /** As a deployment does it: in good order, and killed when that takes too long. */
  restart(forMs: number): void {
    const process = this.process;
    if (!process?.isReady) return;
    this.#deps.world.note(this.name, () => 'stops');
    process.stop().then(() => this.#again(process, forMs));
    this.#deps.world.after(10_000, () => this.#again(process, forMs));
  }

  freeze(forMs: number): void {
    this.#deps.world.note(this.name, () => `freezes for ${forMs} ms`);
    this.process?.freeze(forMs);
  }

  /** Cuts it off from the database. */
  cut(forMs: number): void {
    const process = this.process;
    if (!process) return;
    this.#deps.world.note(this.name, () => `is cut off for ${forMs} ms`);
    process.link.isCut = true;
    process.troubles++;
    this.#deps.world.after(forMs, () => this.mend(process));
  }

  mend(process: Process): void {
    if (!process.link.isCut) return;
    process.link.isCut = false;
    this.#deps.world.after(100, () => process.listenAgain());
  }

  /** Sets the clock of its machine. */
  step(byMs: number): void {
    this.#deps.world.note(this.name, () => `its clock is set by ${byMs} ms`);
    this.#skewMs += byMs;
    if (!this.process) return;
    this.process.troubles++;
    this.process.clockWasSet = true;
  }

  #again(process: Process, inMs: number): void {
    if (this.process !== process) return;
    process.kill();
    this.process = null;
    this.#deps.world.after(inMs, () => this.start());
  }
}
