import { formsOf, MIN_CHARS } from './secret-forms.ts';

/** What stands in place of a secret, in logs and in API answers. */
export const MASK = '********';

/** From here up to MIN_CHARS they are masked where they stand alone; shorter ones are not. */
const ALONE_CHARS = 4;
/** Values that a plugin had before and may still know: an isolate reads a secret when it likes, and keeps it. */
const EARLIER = 100;
/** A text of that many characters may have been cut, in the middle of a secret. */
const CUT_CHARS = 100;
const ELLIPSIS = '…';
const WORD = /[\p{L}\p{N}_]/u;

export interface Redactor {
  /** Makes `secrets` the live ones of the plugin. Those that it had before are masked on, up to a hundred of them. */
  set(plugin: string, secrets: Iterable<string>): void;
  drop(plugin: string): void;
  /**
   * The text with the plugin's secrets masked: as they are, URL-encoded, in base64 (also inside a longer base64 text, such
   * as Basic credentials), in hexadecimal, escaped for JSON or HTML; of a secret of several lines also each long line, of
   * one that the end of the text cuts off what is left of it. Without `plugin`, those of all plugins.
   */
  redact(text: string, plugin?: string): string;
  /** The same for a line of JSON, with the secrets of all plugins; what comes out is JSON too. */
  redactJson(line: string): string;
}

interface Form {
  readonly text: string;
  /** Whether it counts only where no letter or digit touches it. */
  readonly alone: boolean;
}

/** Forms by a hash of their first characters; of each hash the longest first. */
type Index = Map<number, Form[]>;

export function createRedactor(): Redactor {
  const plugins = new Map<string, { secrets: readonly string[]; index: Index }>();
  let all: Index | null = null;

  const indexOfAll = (): Index => {
    all ??= indexOf([...plugins.values()].flatMap(({ index }) => [...index.values()].flat()));
    return all;
  };

  return {
    set(plugin, live) {
      const now = [...new Set(live)].filter((secret) => secret.length >= ALONE_CHARS);
      const before = plugins.get(plugin);
      const earlier = (before?.secrets ?? []).filter((secret) => !now.includes(secret)).slice(0, EARLIER);
      const secrets = [...now, ...earlier];
      if (Bun.deepEquals(secrets, before?.secrets ?? [])) return;
      plugins.set(plugin, { secrets, index: indexOf(secrets.flatMap(masked)) });
      all = null;
    },
    drop(plugin) {
      if (plugins.delete(plugin)) all = null;
    },
    redact(text, plugin) {
      const index = plugin === undefined ? indexOfAll() : plugins.get(plugin)?.index;
      return index === undefined || index.size === 0 ? text : mask(text, index);
    },
    redactJson(line) {
      const index = indexOfAll();
      if (index.size === 0) return line;
      const quick = mask(line, index);
      if (quick === line || isJson(quick)) return quick;
      // A secret that is a number, or looks like the JSON around it: only what is inside of texts can be masked.
      return `${JSON.stringify(maskValue(JSON.parse(line), (text) => mask(text, index)))}${line.endsWith('\n') ? '\n' : ''}`;
    },
  };
}

function masked(secret: string): Form[] {
  return secret.length < MIN_CHARS
    ? [{ text: secret, alone: true }]
    : formsOf(secret).map((text) => ({ text, alone: false }));
}

function indexOf(forms: readonly Form[]): Index {
  const index: Index = new Map();
  for (const form of forms) {
    const hash = hashAt(form.text, 0);
    const alike = index.get(hash);
    if (alike === undefined) index.set(hash, [form]);
    else alike.push(form);
  }
  for (const alike of index.values()) alike.sort((a, b) => b.text.length - a.text.length);
  return index;
}

/** Of ALONE_CHARS characters: what no form begins with is passed over at the price of a look-up. */
function hashAt(text: string, at: number): number {
  let hash = 0;
  for (let i = at; i < at + ALONE_CHARS; i += 1) hash = Math.imul(hash, 31) + text.charCodeAt(i);
  return hash;
}

function mask(text: string, index: Index): string {
  let out = '';
  let from = 0;
  for (let at = 0; at <= text.length - ALONE_CHARS; at += 1) {
    const length = lengthAt(text, at, index.get(hashAt(text, at)));
    if (length === 0) continue;
    out += text.slice(from, at) + MASK;
    from = at + length;
    at = from - 1;
  }
  return from === 0 ? text : out + text.slice(from);
}

/** Characters of the longest form there, or 0. */
function lengthAt(text: string, at: number, forms: readonly Form[] | undefined): number {
  for (const { text: form, alone } of forms ?? []) {
    if (text.startsWith(form, at)) {
      if (!alone || standsAlone(text, at, at + form.length)) return form.length;
    } else if (!alone && text.length >= CUT_CHARS) {
      const left = cutLength(text, at, form);
      if (left > 0) return left;
    }
  }
  return 0;
}

function standsAlone(text: string, start: number, end: number): boolean {
  return !WORD.test(text[start - 1] ?? '') && !WORD.test(text[end] ?? '');
}

/** Characters that the end of the text left of a form, when that is half of it or more; else 0. */
function cutLength(text: string, at: number, form: string): number {
  if (text.length - at > form.length) return 0;
  const end = text.endsWith(ELLIPSIS) ? text.length - 1 : text.length;
  const left = end - at;
  const enough = left >= MIN_CHARS && left * 2 >= form.length;
  return enough && form.startsWith(text.slice(at, end)) ? left : 0;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function maskValue(value: unknown, clean: (text: string) => string): unknown {
  if (typeof value === 'string') return clean(value);
  if (typeof value === 'number') return clean(String(value)) === String(value) ? value : MASK;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((part) => maskValue(part, clean));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [clean(key), maskValue(part, clean)]));
}
