import { heavy } from './heavy.ts';
import { BytesSlice, JsonParse, PromiseReject, PromiseResolve, StringCharCodeAt, StringSlice } from './intrinsics.ts';
import { decodeLatin1, encodeLatin1 } from './latin1.ts';
import { branch, collect, isDisturbed, lockedStream, passOn, streamOf } from './payload-stream.ts';

/** What the bridge gives and takes as a body. */
export type BodyShape =
  | { kind: 'none' }
  | { kind: 'text'; text: string }
  | { kind: 'binary'; latin1: string }
  | { kind: 'stream'; stream: ReadableStream<Uint8Array> };

/** The body behind a Request or Response: at most one of its forms, kept as it came until another is asked for. */
export interface Payload {
  /** Well-formed text; one char a byte when `binary` is set. */
  text: string | null;
  binary: boolean;
  bytes: Uint8Array<ArrayBuffer> | null;
  stream: ReadableStream<Uint8Array> | null;
  used: boolean;
}

export const noPayload = (): Payload => ({ text: null, binary: false, bytes: null, stream: null, used: false });

export const textPayload = (text: string): Payload => ({
  text,
  binary: false,
  bytes: null,
  stream: null,
  used: false,
});

export const isNone = (p: Payload): boolean => p.text === null && p.bytes === null && p.stream === null;

/** Whether somebody reads it or has read of it. */
function isUnusable(p: Payload): boolean {
  return p.used || (p.stream !== null && (p.stream.locked || isDisturbed(p.stream)));
}

export function isUsed(p: Payload): boolean {
  return p.used || (p.stream !== null && isDisturbed(p.stream));
}

/** The body as a stream, the same one each time; null when there is none. */
export function toStream(p: Payload): ReadableStream<Uint8Array> | null {
  if (p.stream !== null || isNone(p)) return p.stream;
  p.stream = p.used ? lockedStream() : streamOf(held(p));
  p.text = p.bytes = null;
  return p.stream;
}

/** The bytes of a payload that is no stream. */
function held(p: Payload): Uint8Array<ArrayBuffer> {
  if (p.bytes !== null) return p.bytes;
  if (p.text === null) return new Uint8Array(0);
  return p.binary ? decodeLatin1(p.text) : heavy.encoding().utf8Encode(p.text);
}

/** What reads a used body is refused with. */
const usedError = (): TypeError => new TypeError('The body is used already, or somebody else reads it');

function begin(p: Payload): void {
  if (isUnusable(p)) throw usedError();
  if (!isNone(p)) p.used = true;
}

const stripMark = (text: string): string => (StringCharCodeAt(text, 0) === 0xfeff ? StringSlice(text, 1) : text);

/** The text of a body at once, or null when it has to be waited for. The body is used either way. */
function textAtOnce(p: Payload): string | null {
  begin(p);
  if (p.text !== null && !p.binary) return stripMark(p.text);
  if (p.stream !== null) return null;
  return stripMark(heavy.encoding().utf8Decode(held(p)));
}

export function readText(p: Payload): Promise<string> {
  try {
    const text = textAtOnce(p);
    return text === null ? textOfStream(p) : PromiseResolve(text);
  } catch (error) {
    return PromiseReject(error);
  }
}

export function readJson(p: Payload): Promise<unknown> {
  try {
    const text = textAtOnce(p);
    return text === null ? jsonOfStream(p) : PromiseResolve(JsonParse(text));
  } catch (error) {
    return PromiseReject(error);
  }
}

async function textOfStream(p: Payload): Promise<string> {
  const bytes = await collect(p.stream as ReadableStream<Uint8Array>);
  return stripMark(heavy.encoding().utf8Decode(bytes));
}

async function jsonOfStream(p: Payload): Promise<unknown> {
  return JsonParse(await textOfStream(p));
}

/** The bytes of a body, which the caller may change. */
export async function readBytes(p: Payload): Promise<Uint8Array<ArrayBuffer>> {
  begin(p);
  return p.stream === null ? held(p) : collect(p.stream);
}

/** A second body of the same content; a stream is read once for both. */
export function clonePayload(p: Payload): Payload {
  if (isUnusable(p)) throw usedError();
  if (p.stream !== null) {
    const [mine, theirs] = branch(p.stream);
    p.stream = mine;
    return { ...noPayload(), stream: theirs };
  }
  return {
    text: p.text,
    binary: p.binary,
    bytes: p.bytes === null ? null : BytesSlice(p.bytes),
    stream: null,
    used: false,
  };
}

/** Moves the content to a new payload and leaves a used one behind. */
export function movePayload(p: Payload): Payload {
  if (isUnusable(p)) throw usedError();
  const moved = { ...p };
  if (!isNone(p)) p.used = true;
  // Somebody may hold the stream, as the body of the old one: it stays that.
  if (p.stream !== null) moved.stream = passOn(p.stream);
  return moved;
}

/** The content in the form that crosses to the core; text and latin1 are not copied. The body is used. */
export function takeShape(p: Payload): BodyShape {
  begin(p);
  if (p.stream !== null) return { kind: 'stream', stream: p.stream };
  if (p.bytes !== null) return { kind: 'binary', latin1: encodeLatin1(p.bytes) };
  if (p.text === null) return { kind: 'none' };
  return p.binary ? { kind: 'binary', latin1: p.text } : { kind: 'text', text: p.text };
}

/** The payload of what came from the core. */
export function fromShape(body: BodyShape): Payload {
  switch (body.kind) {
    case 'none':
      return noPayload();
    case 'text':
      return textPayload(body.text);
    case 'binary':
      return { text: body.latin1, binary: true, bytes: null, stream: null, used: false };
    case 'stream':
      return { text: null, binary: false, bytes: null, stream: body.stream, used: false };
  }
}
