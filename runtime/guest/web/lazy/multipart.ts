import { parseMultipart } from '@remix-run/multipart-parser';
import type { Extracted } from '../body-init.ts';
import { noPayload, textPayload } from '../payload.ts';
import { primitives } from '../runtime-hooks.ts';
import { bytesOf, File } from './blob.ts';
import { utf8Decode, utf8Encode } from './encoding.ts';
import { entriesOf, FormData } from './form-data.ts';
import { parseMime } from './mime.ts';

/** Parts that one form may have. */
const MAX_PARTS = 10_000;

/** A name inside quotes, as the HTML standard escapes it. */
const escapeName = (name: string): string =>
  name.replace(/[\r\n"]/g, (char) => (char === '\r' ? '%0D' : char === '\n' ? '%0A' : '%22'));

const unescapeName = (name: string): string =>
  name.replace(/%0D|%0A|%22/gi, (code) => (code === '%22' ? '"' : code[2]?.toUpperCase() === 'D' ? '\r' : '\n'));

const lineEnds = (text: string): string => text.replace(/\r\n?|\n/g, '\r\n');

/** A FormData as multipart/form-data: text as long as it has no file. */
export function encodeFormData(form: object): Extracted {
  const boundary = `----StreamSpaceFormBoundary${[...primitives().random(12)].map(hex).join('')}`;
  const parts: (string | Uint8Array<ArrayBuffer>)[] = [];
  for (const [name, value] of entriesOf(form) ?? []) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(lineEnds(name))}"`;
    if (typeof value === 'string') {
      parts.push(`${head}\r\n\r\n${lineEnds(value)}\r\n`);
      continue;
    }
    const type = value.type === '' ? 'application/octet-stream' : value.type;
    const file = `${head}; filename="${escapeName(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`;
    parts.push(file, bytesOf(value) as Uint8Array<ArrayBuffer>, '\r\n');
  }
  parts.push(`--${boundary}--\r\n`);
  return { payload: joinParts(parts), type: `multipart/form-data; boundary=${boundary}` };
}

const hex = (char: string): string => char.charCodeAt(0).toString(16).padStart(2, '0');

function joinParts(parts: (string | Uint8Array<ArrayBuffer>)[]): Extracted['payload'] {
  if (parts.every((part) => typeof part === 'string')) return textPayload(parts.join(''));
  const chunks = parts.map((part) => (typeof part === 'string' ? utf8Encode(part) : part));
  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { ...noPayload(), bytes };
}

/**
 * Reads a form from a body, by its content type: multipart/form-data or application/x-www-form-urlencoded.
 *
 * @throws TypeError when the type is another or the body is not of that form.
 */
export function parseForm(
  bytes: Uint8Array<ArrayBuffer>,
  contentType: string | null,
  Params: typeof URLSearchParams,
): FormData {
  const mime = parseMime(contentType);
  if (mime?.essence === 'application/x-www-form-urlencoded') {
    const form = new FormData();
    for (const [name, value] of new Params(utf8Decode(bytes))) form.append(name, value);
    return form;
  }
  const boundary = mime?.essence === 'multipart/form-data' ? mime.parameters.get('boundary') : undefined;
  if (boundary === undefined) throw new TypeError('The content type is not one of a form');
  try {
    return parseParts(bytes, boundary);
  } catch (cause) {
    throw new TypeError('The body is not a valid multipart/form-data', { cause });
  }
}

function parseParts(bytes: Uint8Array<ArrayBuffer>, boundary: string): FormData {
  const form = new FormData();
  if (bytes.length === 0) throw new TypeError('It has not even an end');
  const limits = { boundary, maxFileSize: bytes.length, maxTotalSize: bytes.length, maxParts: MAX_PARTS };
  for (const part of parseMultipart(bytes, limits)) {
    if (part.name === undefined || part.name === null) throw new TypeError('A part has no name');
    const name = unescapeName(part.name);
    const content = part.bytes as Uint8Array<ArrayBuffer>;
    if (part.filename === undefined || part.filename === null) form.append(name, utf8Decode(content));
    else {
      const file = new File([content], unescapeName(part.filename), { type: part.mediaType ?? 'text/plain' });
      form.append(name, file);
    }
  }
  return form;
}
