/** What issue 2 asks for: `floor` has to be reached, `goal` is where it should get. */
export interface Target {
  readonly label: string;
  readonly unit: '' | 'ms' | 'MB' | 'x';
  readonly better: 'higher' | 'lower';
  readonly floor: number | null;
  readonly goal: number | null;
}

const target = (
  label: string,
  unit: Target['unit'],
  better: Target['better'],
  floor: number | null = null,
  goal: number | null = null,
): Target => ({ label, unit, better, floor, goal });

/** Rows of the closing table, in its order. */
export const TARGETS = {
  small32: target('small JSON, 32 connections, one plugin: share of bare', '', 'higher', 0.4, 0.65),
  small32Many: target('small JSON, 32 connections, 100 plugins in turn: share of bare', '', 'higher', 0.25),
  small1: target('small JSON, 1 connection: p50 as a multiple of bare', 'x', 'lower', 2.5, 1.8),
  order32: target('10 KB JSON in and out, 32 connections: share of bare', '', 'higher', 0.6, 0.85),
  open32: target('small JSON, 32 connections, public and without a rate limit: share of bare', '', 'higher'),
  storageGet: target('storage.get of a plugin: time as a multiple of the same statement from the core', 'x', 'lower'),
  storageGetMany: target('storage.get, 32 at a time: share of the same statements from the core', '', 'higher'),
  query: target('database.query of one row: time as a multiple of the same statement from the core', 'x', 'lower'),
  queryMany: target('database.query, 32 at a time: share of the same statements from the core', '', 'higher'),
  load: target('load of a plugin, bundle cached (reload over REST, less the REST)', 'ms', 'lower', 6, 3),
  loadRest: target('the same with its REST request', 'ms', 'lower'),
  install: target('install of a 20 KB package over REST, to its first answer', 'ms', 'lower', 150),
  edit: target('edit to live, watched folder', 'ms', 'lower', 100),
  editCore: target("of it, the core's own time for the reload", 'ms', 'lower'),
  memory: target('memory of a further idle plugin, 1 to 100', 'MB', 'lower', 2.5, 2),
  memoryEarly: target('the same, 1 to 20', 'MB', 'lower'),
  firstStart: target('first start to ready, empty data folder', 'ms', 'lower'),
  start: target('start to ready, existing data folder', 'ms', 'lower', 2_500),
  startMany: target('the same with 100 plugins', 'ms', 'lower', 2_500),
} satisfies Record<string, Target>;

export type Measure = keyof typeof TARGETS;
export const MEASURES = Object.keys(TARGETS) as Measure[];

/** Pure; NaN reaches nothing. */
export function reaches(value: number, limit: number, better: Target['better']): boolean {
  return better === 'higher' ? value >= limit : value <= limit;
}
