import { describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { GuestCrypto } from '../../runtime/isolate/crypto/guest-crypto.ts';
import { type KeyRecord, Keyring } from '../../runtime/isolate/crypto/keyring.ts';
import { CRYPTO_LIMITS } from '../../runtime/isolate/crypto/limits.ts';
import { Request } from '../../runtime/isolate/crypto/request.ts';

// The host's half of cryptography, asked by somebody who has left the prelude behind: every request is answered, none
// throws, and no limit is the guest's to keep.

interface Told {
  readonly error?: { readonly name: string; readonly message: string; readonly code: string | null };
}

function now(head: unknown, body: unknown = '', crypto = new GuestCrypto()): Told {
  const answer = crypto.now(typeof head === 'object' ? JSON.stringify(head) : head, body);
  return JSON.parse(answer.slice(0, answer.indexOf('\n'))) as Told;
}

async function later(head: unknown, body = ''): Promise<Told> {
  const { run } = new GuestCrypto().later(typeof head === 'string' ? head : JSON.stringify(head), body);
  return JSON.parse((await run()).head) as Told;
}

const WHOLE = { op: 'whole', stream: { kind: 'hash', algorithm: 'sha256' }, data: 0, parts: [3] };

describe('what is no request', () => {
  const MALFORMED: readonly [what: string, head: unknown, body: unknown][] = [
    ['no text', undefined, ''],
    ['a number', 7, ''],
    ['bytes that are no text', WHOLE, 7],
    ['no JSON', '{', ''],
    ['JSON of something else', '[]', ''],
    ['null', 'null', ''],
    ['JSON that is too deep to be anything', '['.repeat(100_000), ''],
    ['more JSON than there may be', `{"op":"whole","x":"${'x'.repeat(CRYPTO_LIMITS.headChars)}"}`, ''],
    ['no operation', {}, ''],
    ['an operation that there is not', { op: 'constructor' }, ''],
    ['one of the prototype', { op: '__proto__' }, ''],
    ['an operation that is no text', { op: ['whole'] }, ''],
    ['parts that are no list', { ...WHOLE, parts: 'abc' }, 'abc'],
    ['negative parts', { ...WHOLE, parts: [-1, 4] }, 'abc'],
    ['parts beyond the bytes', { ...WHOLE, parts: [4] }, 'abc'],
    ['bytes that belong to no part', { ...WHOLE, parts: [2] }, 'abc'],
    ['too many parts', { ...WHOLE, parts: Array(17).fill(0) }, ''],
    ['a part that there is not', { ...WHOLE, data: 1 }, 'abc'],
    ['a part by a name', { ...WHOLE, data: 'length' }, 'abc'],
    ['no stream', { ...WHOLE, stream: undefined }, 'abc'],
    ['a stream of a kind that there is not', { ...WHOLE, stream: { kind: 'toString' } }, 'abc'],
    ['a digest that there is not', { ...WHOLE, stream: { kind: 'hash', algorithm: '../sha256' } }, 'abc'],
    ['output without end', { ...WHOLE, stream: { kind: 'hash', algorithm: 'shake256', outputLength: 2 ** 31 } }, 'abc'],
    ['a stream that was never opened', { op: 'update', handle: 1, data: 0, parts: [1] }, 'a'],
    ['a stream by a negative number', { op: 'finish', handle: -1 }, ''],
    ['a key that nobody sealed', { op: 'exportKey', key: { sealed: 'AAAA' }, format: 'jwk' }, ''],
    ['a sealed key that is too short', { op: 'exportKey', key: { sealed: '' }, format: 'jwk' }, ''],
    ['more bytes than the main thread takes', WHOLE, 'x'.repeat(CRYPTO_LIMITS.nowBytes + 1)],
  ];
  test.each(MALFORMED)('%s', (_what, head, body) => {
    const { error } = now(head, body);
    expect(error).toMatchObject({ name: expect.any(String), message: expect.any(String) });
    expect(JSON.stringify(error)).not.toMatch(/\/work|node_modules|\.ts|at /);
  });

  test.each([
    ['no JSON', '{'],
    ['an operation that there is not', '{"op":"hasOwnProperty"}'],
    ['an algorithm that is no object', '{"op":"digest","algorithm":"SHA-1","data":0,"parts":[0]}'],
    ['an algorithm of the prototype', '{"op":"digest","algorithm":{"name":"__proto__"},"data":0,"parts":[0]}'],
    ['a key of somebody else', '{"op":"sign","algorithm":{"name":"HMAC"},"key":"AAAA","data":0,"parts":[0]}'],
    ['a list in place of a number', '{"op":"pbkdf2","digest":"sha1","iterations":[1],"length":1}'],
  ])('later: %s', async (_what, head) => {
    expect((await later(head)).error).toMatchObject({ name: expect.any(String) });
  });

  test('a name of the prototype in its JSON changes nothing', () => {
    const request = Request.read('{"op":"x","__proto__":{"stolen":"y"},"in":{"__proto__":{"stolen":"y"}}}', '', 10);
    expect(request.has('stolen')).toBe(false);
    expect(request.inner('in').has('stolen')).toBe(false);
    expect(Object.hasOwn(Object.prototype, 'stolen')).toBe(false);
  });
});

describe('what would take too long', () => {
  const salted = { password: 0, salt: 1, parts: [1, 1] };
  const pbkdf2 = { op: 'pbkdf2', digest: 'sha512', length: 64, ...salted };
  const scrypt = { op: 'scrypt', length: 64, r: 8, p: 1, ...salted };
  const bytes = 'ps';

  test.each<[string, object]>([
    ['PBKDF2', { ...pbkdf2, iterations: CRYPTO_LIMITS.pbkdf2RoundsNow + 1 }],
    ['PBKDF2 of many blocks', { ...pbkdf2, iterations: 1_000, length: 64 * 21 }],
    ['PBKDF2 of many bytes', { ...pbkdf2, iterations: 1, length: CRYPTO_LIMITS.derivedBytes + 1 }],
    ['scrypt', { ...scrypt, N: 32_768 }],
    ['scrypt side by side', { ...scrypt, N: 1_024, p: 2 }],
    ['an RSA key', { op: 'generateKeyPair', type: 'rsa', modulusLength: 2_048 }],
  ])('is refused on the main thread: %s', (_what, head) => {
    expect(now(head, 'parts' in head ? bytes : '').error?.message).toMatch(/ here|synchronously/);
  });

  test.each<[string, object]>([
    ['PBKDF2', { ...pbkdf2, iterations: CRYPTO_LIMITS.pbkdf2Rounds + 1 }],
    ['scrypt', { ...scrypt, N: 65_536 }],
    ['scrypt in small blocks', { ...scrypt, N: 2 ** 31, r: 1 }],
    ['scrypt side by side', { ...scrypt, N: 1_024, p: 9 }],
  ])('is refused on a thread of its own too: %s', async (_what, head) => {
    expect((await later(head, bytes)).error?.code).toMatch(/^ERR_/);
  });

  test.each<[string, object, boolean]>([
    ['PBKDF2', { ...pbkdf2, iterations: 100_000 }, true],
    ['a little PBKDF2', { ...pbkdf2, iterations: 1_000 }, false],
    ['PBKDF2 of the web', { op: 'deriveKey', algorithm: { name: 'PBKDF2', iterations: 100_000 } }, true],
    ['scrypt', { ...scrypt, N: 16_384 }, true],
    ['an RSA key', { op: 'generateKeyPair', type: 'rsa-pss', modulusLength: 2_048 }, true],
    ['an RSA key of the web', { op: 'generateKey', algorithm: { name: 'RSA-PSS', modulusLength: 2_048 } }, true],
    ['a curve', { op: 'generateKey', algorithm: { name: 'ECDSA', namedCurve: 'P-256' } }, false],
  ])('waits with the slow ones: %s', (_what, head, slow) => {
    expect(new GuestCrypto().later(JSON.stringify(head), 'parts' in head ? bytes : '').slow).toBe(slow);
  });
});

describe('a key', () => {
  const RECORD: KeyRecord = {
    type: 'secret',
    format: 'raw',
    material: randomBytes(32),
    web: { algorithm: { name: 'AES-GCM', length: 256 }, extractable: false, usages: ['encrypt'] },
  };

  test('is sealed so that nothing of it shows, twice in different ways, and opens where it was sealed', () => {
    const keys = new Keyring();
    const [one, two] = [keys.seal(RECORD), keys.seal(RECORD)];
    expect(one).not.toBe(two);
    const shown = Buffer.from(one, 'base64').toString('latin1');
    expect(shown).not.toContain(RECORD.material.toString('latin1'));
    expect(shown).not.toContain('AES-GCM');
    expect(keys.open(one).record).toEqual(RECORD);
  });

  test('opens neither in another isolate nor with one bit changed', () => {
    const keys = new Keyring();
    const sealed = keys.seal(RECORD);
    expect(() => new Keyring().open(sealed)).toThrow('not of this isolate');
    const bytes = Buffer.from(sealed, 'base64');
    for (const at of [0, 12, 20, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      expect(() => keys.open(changed.toString('base64'))).toThrow('not of this isolate');
    }
    expect(() => keys.open(bytes.subarray(0, -4).toString('base64'))).toThrow('not of this isolate');
  });

  test('that binds itself to subtle is not had by way of node:crypto', () => {
    const crypto = new GuestCrypto();
    const sealed = JSON.parse(
      crypto
        .now(JSON.stringify({ op: 'makeKey', type: 'secret', key: { data: 0 }, parts: [3] }), 'key')
        .split('\n')[0] ?? '',
    ).keys[0].sealed as string;
    const export_ = (text: string) => now({ op: 'exportKey', key: { sealed: text }, format: 'buffer' }, '', crypto);
    expect(export_(sealed).error).toBeUndefined();
    const foreign = new Keyring().seal(RECORD);
    expect(export_(foreign).error?.name).toBe('InvalidAccessError');
  });
});

test('of the streams that nobody ends, the one that was idle longest is ended', () => {
  const crypto = new GuestCrypto();
  const open = { op: 'open', stream: { kind: 'hash', algorithm: 'sha1' }, data: 0, parts: [1] };
  for (let at = 0; at < CRYPTO_LIMITS.streams; at += 1) expect(now(open, 'a', crypto).error).toBeUndefined();
  // The first is used, so that the second is the oldest when one more comes.
  const update = (handle: number) => now({ op: 'update', handle, data: 0, parts: [1] }, 'b', crypto).error?.name;
  expect(update(1)).toBeUndefined();
  now(open, 'a', crypto);
  expect([update(2), update(1), update(3)]).toEqual(['Error', undefined, undefined]);
});

test('the time that it takes is charged', () => {
  const crypto = new GuestCrypto();
  crypto.takeSpent();
  now({ ...WHOLE, parts: [1_000_000] }, 'x'.repeat(1_000_000), crypto);
  crypto.charge(5);
  expect(crypto.takeSpent()).toBeGreaterThan(5);
  expect(crypto.takeSpent()).toBe(0);
});
