/** Where in a plugin's life the code of an attack runs. */
export const PLACES = [
  /** A handler that has never run: the host runs it on its pool. */
  'first call',
  /** A handler that was quick fifty times: the host runs it on its main thread. */
  'proven handler',
  'top level',
  'onLoad',
  'timer',
  'event',
  'job',
  'onDisable',
  'onUnload',
  'onConfigChange',
  /** In `onLoad` of a reload, while the version before serves. */
  'reload',
  /** In `onLoad` of every load but the first, which a crash sets off. */
  'each load',
  /** In a method that another plugin calls. */
  'method',
] as const;
export type Place = (typeof PLACES)[number];

/** What ended an attack, as far as the core said so. */
export const STOPS = [
  /** It ran too long in one go: its isolate was ended. */
  'cpu',
  /** Its heap was full: its isolate was ended. */
  'memory',
  /** What it handed out broke the rules of the bridge: its isolate was ended. */
  'protocol',
  /** A call was not answered in time: another isolate took over. */
  'deadline',
  /** Its whole process was killed, or died. */
  'process',
  /** It did not load, and so was not installed or the version before goes on. */
  'load',
  /** A call, an answer or a stream was refused, with an error for the plugin. */
  'refused',
  /** Nothing had to: it harms nobody. */
  'nothing',
] as const;
export type Stop = (typeof STOPS)[number];

/** One way in which a plugin does harm: data, so that the tests and the bench run the same. */
export interface Attack {
  readonly name: string;
  /** The case of ADVERSARY 3, or the row of its table (`table 1`, from the top). */
  readonly adversary: string;
  readonly place: Place;
  /** Statements of an async function with `streamspace`, `request`, `ctx`; or of a plain one, see `sync`. */
  readonly code: string;
  /** The function is a plain one: what it throws is thrown, not rejected. */
  readonly sync?: boolean;
  /** Code at the top of the module. */
  readonly setup?: string;
  /** What its manifest asks for, where that is not LIMITS in plugins.ts. */
  readonly limits?: Readonly<Partial<Record<'memoryMb' | 'cpuMsPerCall' | 'wallMsPerCall', number>>>;
  readonly permissions?: readonly string[];
  /** Requests of the handler at once; 1 when absent. */
  readonly requests?: number;
  /** How often it is asked, one after the other; once when absent. */
  readonly rounds?: number;
  /** Two plugins do it at once. */
  readonly pair?: boolean;
  /** The client goes away after as many milliseconds, its answer unread. */
  readonly hangUpAfterMs?: number;
  /** What may end it; several where V8's mood decides. */
  readonly stops: readonly Stop[];
  /** States in which it has to end; any that is not `loading` when absent. */
  readonly states?: readonly string[];
  /** Codes of the problem that the caller gets, or `200`; any of a plugin's own when absent. */
  readonly answers?: readonly string[];
}

/**
 * What may end it, and what the caller may hear, on a busy machine too: where the watchdog's thread comes late to a loop, the
 * core's clock ends the whole process.
 */
export function allowed({ stops, answers }: Attack): Required<Pick<Attack, 'stops'>> & Pick<Attack, 'answers'> {
  if (!stops.includes('cpu')) return { stops, ...(answers === undefined ? {} : { answers }) };
  return {
    stops: [...stops, 'process'],
    ...(answers === undefined ? {} : { answers: [...answers, '500 plugin_error', '503 plugin_unavailable'] }),
  };
}

/** The same attack in several places. */
export function inPlaces(places: readonly Place[], attack: Omit<Attack, 'place'>): Attack[] {
  return places.map((place) => ({ ...attack, place }));
}
