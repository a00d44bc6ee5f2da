import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';

/** `file:line:column` of the bundle in a V8 stack: `plugin:<name>:12:5`, with or without parentheses. */
const POSITION = /plugin:([a-z][a-z0-9-]*):(\d+):(\d+)/g;
/** Frames of the prelude say nothing to an author. */
const PRELUDE_FRAME = /\n\s+at [^\n]*streamspace:prelude[^\n]*/g;

/** Rewrites stacks of one bundle to the plugin's own files and lines. The map is parsed when the first error comes. */
export class StackMapper {
  readonly #plugin: string;
  readonly #json: string;
  #map: TraceMap | null = null;

  constructor(plugin: string, sourceMapJson: string) {
    this.#plugin = plugin;
    this.#json = sourceMapJson;
  }

  map(stack: string): string {
    return stack.replace(PRELUDE_FRAME, '').replace(POSITION, (whole, plugin: string, line: string, column: string) => {
      if (plugin !== this.#plugin) return whole;
      return this.#original(Number(line), Number(column)) ?? whole;
    });
  }

  #original(line: number, column: number): string | null {
    // The stack is the guest's text: it may name places that are none.
    if (line < 1 || column < 1 || !Number.isSafeInteger(line) || !Number.isSafeInteger(column)) return null;
    this.#map ??= new TraceMap(this.#json);
    const { source, line: found, column: at } = originalPositionFor(this.#map, { line, column: column - 1 });
    return source === null ? null : `${source}:${found}:${at + 1}`;
  }
}
