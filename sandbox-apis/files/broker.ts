import { isUtf8 } from 'node:buffer';
import type { Static } from '@sinclair/typebox';
import type { Caller, Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import { checkMetadata, checkPath, checkPrefix, etagOf } from './checks.ts';
import type { filesContract } from './contract.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { FILE_LIMITS } from './limits.ts';
import { parseRange, resolveRange, type WantedRange } from './range.ts';
import type { FileConditions, FilesService } from './service.ts';

export interface FilesDeps {
  readonly files: FilesService;
  /** Signs a link to a file; `expires` in seconds. */
  readonly signUrl: (
    plugin: string,
    path: string,
    options: { readonly expires: number; readonly download: boolean },
  ) => { readonly url: string; readonly expiresAt: string };
}

type Calls = (typeof filesContract)['calls'];
type PutBody = Static<Calls['put']['input']>['body'];
type Transfer = FilesService['copy'];

/** The core's half of `streamspace.files`. */
export function createFilesBroker({ files, signUrl }: FilesDeps): Handlers<typeof filesContract> {
  const transferred = async (transfer: Transfer, plugin: string, input: Static<Calls['copy']['input']>) => {
    const { from, to } = input;
    checkPath(from, 'from');
    checkPath(to, 'to');
    const file = await transfer(plugin, from, to, conditionsOf(input));
    if (file === null) throw new CodedError('not_found', `There is no file "${from}"`);
    return { file };
  };
  return {
    async put(caller, input) {
      const { path, contentType, metadata } = input;
      const { content, size } = contentOf(caller, input.body);
      try {
        checkPath(path);
        checkMetadata(metadata);
        const file = { contentType, metadata, size, ...conditionsOf(input) };
        return { file: await files.put(caller.plugin, path, content, file, caller.signal) };
      } catch (error) {
        discard(content);
        throw error;
      }
    },
    async get(caller, { path, range }) {
      checkPath(path);
      const wanted = typeof range === 'string' ? parsedRange(range) : (range ?? null);
      const found = await files.get(caller.plugin, path, ({ size }) =>
        wanted === null ? null : resolveRange(wanted, size),
      );
      if (found === null || found.content === null) return { file: null };
      return { file: { info: found.info, range: found.range, body: bodyOf(caller, found.content) } };
    },
    stat: async ({ plugin }, { path }) => {
      checkPath(path);
      return { file: await files.stat(plugin, path) };
    },
    list: async ({ plugin }, { prefix = '', delimiter, cursor, limit = FILE_LIMITS.defaultPageEntries }) => {
      checkPrefix(prefix);
      const after = cursor === undefined ? null : decodeCursor(cursor);
      const page = await files.list(plugin, { prefix, folders: delimiter !== undefined, after, limit });
      return {
        files: page.files,
        folders: page.folders,
        ...(page.last === null ? {} : { cursor: encodeCursor(page.last) }),
      };
    },
    delete: async ({ plugin }, { path, ifMatch }) => {
      checkPath(path);
      return { deleted: await files.delete(plugin, path, { ifMatch: etagOf(ifMatch) }) };
    },
    copy: ({ plugin }, input) => transferred(files.copy, plugin, input),
    move: ({ plugin }, input) => transferred(files.move, plugin, input),
    url: ({ plugin }, { path, expires = FILE_LIMITS.urlSeconds, download = false }) => {
      checkPath(path);
      return signUrl(plugin, path, { expires, download });
    },
  };
}

function conditionsOf({ ifMatch, ifNoneMatch }: FileConditions): FileConditions {
  return { ifMatch: etagOf(ifMatch), ifNoneMatch: etagOf(ifNoneMatch) };
}

function contentOf(
  caller: Caller,
  body: PutBody,
): { content: Uint8Array | ReadableStream<Uint8Array>; size: number | null } {
  if (body === null) return { content: new Uint8Array(0), size: 0 };
  if ('stream' in body) return { content: caller.receiveStream(body.stream), size: body.length ?? null };
  const content = 'text' in body ? Buffer.from(body.text, 'utf8') : Buffer.from(body.latin1, 'latin1');
  return { content, size: content.length };
}

/** Tells a writer that nobody will read what it has not sent yet. */
function discard(content: Uint8Array | ReadableStream<Uint8Array>): void {
  if (content instanceof Uint8Array || content.locked) return;
  // The writer is the guest; that its own `cancel` failed is its business.
  content.cancel().catch(() => undefined);
}

function bodyOf(caller: Caller, content: Uint8Array | ReadableStream<Uint8Array>) {
  if (!(content instanceof Uint8Array)) return { stream: caller.sendStream(content) };
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { latin1: bytes.toString('latin1') };
}

function parsedRange(header: string): WantedRange {
  const range = parseRange(header);
  if (range === null) throw new CodedError('invalid_input', 'range: has to be one part, such as "bytes=0-499"');
  return range;
}
