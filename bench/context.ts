import type { Folders, Product } from './product.ts';
import type { Report } from './report.ts';
import type { Bare, LoadProcess } from './servers.ts';

/** How much is measured. */
export interface Effort {
  /** Rounds of a comparison; one is a run against each server. */
  readonly rounds: number;
  /** Milliseconds of a run. */
  readonly runMs: number;
  readonly warmMs: number;
  readonly reloads: number;
  readonly edits: number;
  readonly starts: number;
  /** Calls of a run into the core, one at a time. */
  readonly calls: number;
  /** Plugins installed in the end. */
  readonly plugins: number;
  /** Numbers of plugins at which memory is read. */
  readonly memoryAt: readonly number[];
  /** Milliseconds of rest before memory is read. */
  readonly restMs: number;
}

export const FULL: Effort = {
  rounds: 5,
  runMs: 1_500,
  warmMs: 300,
  reloads: 50,
  edits: 30,
  starts: 5,
  calls: 1_500,
  plugins: 100,
  memoryAt: [1, 20, 100],
  restMs: 4_000,
};

/** To see that the bench works; the figures mean little. */
export const QUICK: Effort = {
  rounds: 2,
  runMs: 300,
  warmMs: 200,
  reloads: 5,
  edits: 3,
  starts: 1,
  calls: 200,
  plugins: 5,
  memoryAt: [1, 3, 5],
  restMs: 500,
};

/** What every stage works with. */
export interface Stage {
  readonly effort: Effort;
  readonly product: Product;
  readonly folders: Folders;
  /** Where fixtures are written before they are packed. */
  readonly scratch: string;
  /** Bearer token of the user who calls the measured endpoints. */
  readonly member: string;
  readonly bare: Bare;
  readonly load: LoadProcess;
  readonly report: Report;
}
