import assert from 'node:assert';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Buffer } from 'node:buffer';
import { createCipheriv, createHash, createHmac, randomBytes, timingSafeEqual, type webcrypto } from 'node:crypto';
import EventEmitter, { once } from 'node:events';
import path, { type join } from 'node:path';
import process from 'node:process';
import querystring from 'node:querystring';
import { pipeline, Readable, type Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { StringDecoder } from 'node:string_decoder';
import { setImmediate } from 'node:timers';
import { setTimeout as wait } from 'node:timers/promises';
import type { fileURLToPath, URL as NodeUrl } from 'node:url';
import { type inspect, promisify, types } from 'node:util';
import { expectType, type Same } from './equal.ts';

// The modules of Node that a plugin can import, for the packages that it brings along: the names are there once they are
// imported, and only those that the guest has.

const bytes = Buffer.from('héllo', 'utf8');
expectType<Same<typeof bytes, Buffer<ArrayBuffer>>>(true);
expectType<Same<ReturnType<typeof bytes.toString>, string>>(true);
const view: Uint8Array = Buffer.concat([bytes, Buffer.alloc(4)]);
// @ts-expect-error there is no such encoding
bytes.toString('utf-7');

const salt = randomBytes(16);
expectType<Same<typeof salt, Buffer<ArrayBuffer>>>(true);
const digest: string = createHash('sha256').update(bytes).digest('hex');
timingSafeEqual(createHmac('sha256', digest).update('x').digest(), view);
expectType<Same<typeof webcrypto, Crypto>>(true);
const cipher = createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12));
expectType<Same<ReturnType<typeof cipher.getAuthTag>, Buffer<ArrayBuffer>>>(true);
// @ts-expect-error there is no such digest
createHash('sha256').digest('utf9');

const emitter = new EventEmitter<{ done: [rows: number] }>();
emitter.on('done', (rows) => expectType<Same<typeof rows, number>>(true));
// @ts-expect-error it carries a number
emitter.emit('done', 'many');
void once(emitter, 'done');

expectType<Same<ReturnType<typeof join>, string>>(true);
expectType<Same<typeof path.sep, '\\' | '/'>>(true);
// @ts-expect-error not in the guest's
path.matchesGlob('a', '*');

// @ts-expect-error the guest has no file system
import('node:fs/promises');
// @ts-expect-error the environment is empty
const home: string = process.env.HOME;
process.nextTick((text: string) => text.trim(), home);
// @ts-expect-error it cannot be ended
process.exit(1);

const maybe: unknown = querystring.parse('a=1').a;
assert(typeof maybe === 'string');
expectType<Same<typeof maybe, string>>(true);
assert.deepStrictEqual([1], [1]);

const context = new AsyncLocalStorage<{ id: string }>();
expectType<Same<ReturnType<typeof context.getStore>, { id: string } | undefined>>(true);

const readable = Readable.from([view]);
declare const transform: Transform;
pipeline(readable, transform, (error) => error?.message);
await finished(transform);
expectType<Same<typeof WebStream, typeof ReadableStream>>(true);
expectType<Same<typeof NodeUrl, typeof URL>>(true);
expectType<Same<ReturnType<typeof fileURLToPath>, string>>(true);
expectType<Same<ReturnType<StringDecoder['write']>, string>>(true);
setImmediate(() => undefined).unref();
await wait(5, 'done', { signal: AbortSignal.timeout(10) });
expectType<Same<ReturnType<typeof inspect>, string>>(true);
void promisify((done: (error: Error | null, rows: number) => void) => done(null, 1))().then((rows) => rows + 1);
if (types.isDate(maybe)) maybe.getTime();
