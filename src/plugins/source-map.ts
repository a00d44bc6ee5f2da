import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { excerpt } from './source-excerpt.ts';

/** `file:line:column` of the bundle in a V8 stack: `plugin:<name>:12:5`, with or without parentheses. */
const POSITION = /plugin:([a-z][a-z0-9-]*):(\d+):(\d+)/g;
/** Frames of the prelude, of isolated-vm and of Node say nothing to an author. */
const FOREIGN_FRAME =
  /\n\s+(?=at )[^\n]*(?:streamspace:prelude|<isolated-vm|(?:\(|at |async )(?:node:|file:\/))[^\n]*/g;
const FRAME = /^\s+at /;
/** Excerpts of one stack: of the error, and of what caused it. */
const MAX_EXCERPTS = 4;

/** A place in the author's files; line and column from 1. */
export interface SourcePosition {
  readonly source: string;
  readonly line: number;
  readonly column: number;
}

interface MappedLine {
  readonly text: string;
  readonly position: SourcePosition | null;
}

/** Rewrites positions of one bundle to the plugin's own files and lines. The map is parsed when the first error comes. */
export class StackMapper {
  /** The bundle's source map, as JSON. */
  readonly sourceMap: string;
  readonly #plugin: string;
  #map: TraceMap | null = null;

  constructor(plugin: string, sourceMapJson: string) {
    this.#plugin = plugin;
    this.sourceMap = sourceMapJson;
  }

  /**
   * The stack in the author's files, with the lines around one place of each error in it: of the one that was thrown, and
   * of those that caused it. What it says of the prelude and of the host is left out.
   */
  map(stack: string): string {
    const lines = stack
      .replace(FOREIGN_FRAME, '')
      .split('\n')
      .map((line) => this.#mapLine(line));
    const shown: string[] = [];
    let excerpts = 0;
    let place: number | null = null;
    for (const [at, { text, position }] of lines.entries()) {
      shown.push(text);
      if (!FRAME.test(text)) place = null;
      else place ??= telling(lines, at);
      if (place !== at || position === null || excerpts === MAX_EXCERPTS) continue;
      const around = this.#excerpt(position);
      if (around === null) continue;
      excerpts += 1;
      shown.push(around);
    }
    return shown.join('\n');
  }

  /** The same text with the author's places; nothing is added to it. */
  mapPositions(text: string): string {
    return this.#mapLine(text).text;
  }

  /** Whether a text may name a place in this bundle. */
  concerns(text: string): boolean {
    return text.includes(`plugin:${this.#plugin}:`);
  }

  /** Where a place in the bundle is in the author's files; null when that is not known. @param line, column from 1 */
  original(line: number, column: number): SourcePosition | null {
    // The stack is the guest's text: it may name places that are none.
    if (line < 1 || column < 1 || !Number.isSafeInteger(line) || !Number.isSafeInteger(column)) return null;
    const { source, line: found, column: at } = originalPositionFor(this.#parsed(), { line, column: column - 1 });
    return source === null ? null : { source, line: found, column: at + 1 };
  }

  #mapLine(text: string): MappedLine {
    let first: SourcePosition | null = null;
    const mapped = text.replace(POSITION, (whole, plugin: string, line: string, column: string) => {
      const position = plugin === this.#plugin ? this.original(Number(line), Number(column)) : null;
      if (position === null) return whole;
      first ??= position;
      return `${position.source}:${position.line}:${position.column}`;
    });
    return { text: mapped, position: first };
  }

  #excerpt({ source, line, column }: SourcePosition): string | null {
    const { sources, sourcesContent } = this.#parsed();
    const content = sourcesContent?.[sources.indexOf(source)] ?? null;
    return content === null ? null : excerpt(content, line, column);
  }

  #parsed(): TraceMap {
    this.#map ??= new TraceMap(this.sourceMap);
    return this.#map;
  }
}

/** The map of a bundle that stands one line lower, below the wrapper that makes a function of it. @param map JSON */
export function belowWrapper(map: string): string {
  const parsed: { mappings: string } = JSON.parse(map);
  // Each semicolon ends a line of the generated code (ECMA-426).
  return JSON.stringify({ ...parsed, mappings: `;${parsed.mappings}` });
}

/** Of the frames of one error, the one to look at: where the author called a package, not what the package does there. */
function telling(lines: readonly MappedLine[], from: number): number {
  let first: number | null = null;
  for (let at = from; FRAME.test(lines[at]?.text ?? ''); at += 1) {
    const source = lines[at]?.position?.source;
    if (source === undefined) continue;
    if (!source.includes('node_modules/')) return at;
    first ??= at;
  }
  return first ?? from;
}
