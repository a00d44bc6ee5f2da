import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Something that must be nowhere. */
export interface Sought {
  /** For the report: the secret itself is not in it. */
  readonly what: string;
  readonly forms: readonly Buffer[];
}

/** A secret in the forms in which it would still be one: as it is, and as encodings have it. */
export function sought(what: string, secret: string): Sought {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    return encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  });
  const json = JSON.stringify(secret).slice(1, -1);
  const url = new URL('http://host/');
  url.password = secret;
  const texts = [
    secret,
    encodeURIComponent(secret),
    url.password,
    json,
    JSON.stringify(json).slice(1, -1),
    bytes.toString('hex'),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    ...secret.split('\n').filter((line) => line.length > 16 && !line.startsWith('--')),
  ];
  return { what, forms: [...new Set(texts)].map((text) => Buffer.from(text)) };
}

/** What of it is in there, with the place. */
export function findLeaks(place: string, content: string | Uint8Array, all: readonly Sought[]): string[] {
  const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
  return all.flatMap(({ what, forms }) => {
    const at = forms.map((form) => bytes.indexOf(form)).find((found) => found >= 0);
    if (at === undefined) return [];
    const around = bytes.subarray(Math.max(0, at - 80), at + 20).toString('latin1');
    return [`${what} is in ${place}, after: ${JSON.stringify(around)}`];
  });
}

/** The same in each file of a folder, and in the names of the files. */
export function findLeaksIn(folder: string, all: readonly Sought[], except: (path: string) => boolean): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const file = join(entry.parentPath, entry.name);
    const path = relative(folder, file);
    if (!lstatSync(file).isFile() || except(path)) return [];
    return [...findLeaks(`the name ${path}`, path, all), ...findLeaks(path, readFileSync(file), all)];
  });
}
