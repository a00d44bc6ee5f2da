import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

const WORDS = `
  const { subtle } = crypto;
  const told = (work) => work.then(() => 'done', (error) => error.name);
  const aes = (extractable, ...usages) => subtle.generateKey({ name: 'AES-GCM', length: 128 }, extractable, usages);
  const gcm = { name: 'AES-GCM', iv: new Uint8Array(12) };`;

test('a CryptoKey says what it is, by objects that stay the same, and cannot be made', async () => {
  const code = `${WORDS}
    const { publicKey, privateKey } = await subtle.generateKey(
      { name: 'RSA-PSS', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: { name: 'sha-256' } }, false, ['verify', 'sign']);
    const { publicExponent, ...algorithm } = privateKey.algorithm;
    let made = 'made'; try { new CryptoKey() } catch (error) { made = error.name }
    return {
      algorithm, exponent: [...publicExponent], made,
      keys: [publicKey, privateKey].map((key) => [key.type, key.extractable, key.usages, String(key), key instanceof CryptoKey]),
      same: [privateKey.algorithm === privateKey.algorithm, privateKey.usages === privateKey.usages],
      names: Object.getOwnPropertyNames(privateKey),
    }`;
  expect(await run(code)).toEqual({
    algorithm: { name: 'RSA-PSS', modulusLength: 2048, hash: { name: 'SHA-256' } },
    exponent: [1, 0, 1],
    made: 'TypeError',
    keys: [
      ['public', true, ['verify'], '[object CryptoKey]', true],
      ['private', false, ['sign'], '[object CryptoKey]', true],
    ],
    same: [true, true],
    names: [],
  });
});

test('a key does what its usages say, whatever is written on it', async () => {
  const code = `${WORDS}
    const key = await aes(false, 'decrypt');
    key.usages.push('encrypt', 'wrapKey');
    key.algorithm.name = 'AES-CBC';
    Object.defineProperty(key, 'extractable', { value: true });
    Object.setPrototypeOf(key, { extractable: true, usages: ['encrypt'] });
    return [
      await told(subtle.encrypt(gcm, key, new Uint8Array(1))),
      await told(subtle.exportKey('raw', key)),
      await told(subtle.encrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, key, new Uint8Array(1))),
      await told(subtle.decrypt(gcm, key, await subtle.encrypt(gcm, await aes(false, 'encrypt'), new Uint8Array(1)))),
    ]`;
  expect(await run(code)).toEqual(['InvalidAccessError', 'InvalidAccessError', 'InvalidAccessError', 'OperationError']);
});

test('a clone is a key of its own that does the same', async () => {
  const code = `${WORDS}
    const key = await aes(false, 'encrypt', 'decrypt');
    const [copy] = structuredClone([key]);
    const sealed = await subtle.encrypt(gcm, key, new Uint8Array([1, 2, 3]));
    return [copy !== key, copy instanceof CryptoKey, copy.extractable, [...new Uint8Array(await subtle.decrypt(gcm, copy, sealed))],
      await told(subtle.exportKey('raw', copy))]`;
  expect(await run(code)).toEqual([true, true, false, [1, 2, 3], 'InvalidAccessError']);
});

test('a thousand keys live as long as the guest holds them', async () => {
  const code = `${WORDS}
    const make = (at) => subtle.importKey('raw', new Uint8Array(32).fill(at), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
    const keys = await Promise.all(Array.from({ length: 1000 }, (_, at) => make(at)));
    const signature = await subtle.sign('HMAC', keys[3], new Uint8Array(1));
    return [await subtle.verify('HMAC', keys[259], signature, new Uint8Array(1)), await subtle.verify('HMAC', keys[4], signature, new Uint8Array(1))]`;
  expect(await run(code)).toEqual([true, false]);
});

test.each<[string, string, string]>([
  ['an unknown algorithm', `subtle.digest('MD5', new Uint8Array(1))`, 'NotSupportedError'],
  ['an algorithm without a name', `subtle.digest({}, new Uint8Array(1))`, 'TypeError'],
  ['a letter that only looks like another', `subtle.digest('\\u017fHA-1', new Uint8Array(1))`, 'NotSupportedError'],
  [
    'an operation that the algorithm has not',
    `subtle.encrypt('HMAC', await aes(true, 'encrypt'), new Uint8Array(1))`,
    'NotSupportedError',
  ],
  ['data that are no bytes', `subtle.digest('SHA-1', 'text')`, 'TypeError'],
  ['something else in place of a key', `subtle.exportKey('raw', { sealed: 'x' })`, 'TypeError'],
  [
    'a parameter that is missing',
    `subtle.encrypt('AES-GCM', await aes(true, 'encrypt'), new Uint8Array(1))`,
    'TypeError',
  ],
  ['a number out of range', `subtle.generateKey({ name: 'AES-GCM', length: 65536 }, true, ['encrypt'])`, 'TypeError'],
  [
    'a length that AES has not',
    `subtle.generateKey({ name: 'AES-GCM', length: 100 }, true, ['encrypt'])`,
    'OperationError',
  ],
  ['no usage at all', `aes(true)`, 'SyntaxError'],
  ['a usage of something else', `aes(true, 'sign')`, 'SyntaxError'],
  ['a usage that is none', `aes(true, 'paint')`, 'TypeError'],
  ['too few arguments', `subtle.digest('SHA-1')`, 'TypeError'],
  [
    'bytes that are no key',
    `subtle.importKey('spki', new Uint8Array(9), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])`,
    'DataError',
  ],
  ['another this', `subtle.digest.call({}, 'SHA-1', new Uint8Array(1))`, 'TypeError'],
  // What this platform bounds.
  [
    'a short RSA key',
    `subtle.generateKey({ name: 'RSA-PSS', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['sign'])`,
    'OperationError',
  ],
  [
    'a long RSA key',
    `subtle.generateKey({ name: 'RSA-PSS', modulusLength: 8192, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['sign'])`,
    'OperationError',
  ],
  [
    'an RSA exponent that is none',
    `subtle.generateKey({ name: 'RSA-PSS', modulusLength: 2048, publicExponent: new Uint8Array([4]), hash: 'SHA-256' }, true, ['sign'])`,
    'OperationError',
  ],
  [
    'an HMAC key of half a gigabyte',
    `subtle.generateKey({ name: 'HMAC', hash: 'SHA-256', length: 2 ** 32 - 1 }, true, ['sign'])`,
    'OperationError',
  ],
  [
    'PBKDF2 without end',
    `subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(1), iterations: 2 ** 32 - 1 }, await subtle.importKey('raw', new Uint8Array(1), 'PBKDF2', false, ['deriveBits']), 160)`,
    'OperationError',
  ],
  [
    'PBKDF2 of half a gigabyte',
    `subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(1), iterations: 1 }, await subtle.importKey('raw', new Uint8Array(1), 'PBKDF2', false, ['deriveBits']), 2 ** 32 - 8)`,
    'OperationError',
  ],
  ['more bytes than one operation takes', `subtle.digest('SHA-1', new Uint8Array(17 * 1024 * 1024))`, 'OperationError'],
])('%s: %s', async (_what, code, name) => {
  expect(await run(`${WORDS} return told((async () => ${code})())`, { memoryLimit: 256 })).toBe(name);
});

test('data are taken when the call is made, parameters before', async () => {
  const code = `${WORDS}
    const data = new Uint8Array(3);
    const before = subtle.digest('SHA-256', data);
    data.fill(1);
    const hex = (buffer) => new Uint8Array(buffer).toHex();
    const late = subtle.digest({ get name() { data.fill(2); return 'SHA-256' } }, data);
    data.fill(3);
    const of = async (byte) => hex(await subtle.digest('SHA-256', new Uint8Array(3).fill(byte)));
    return [hex(await before) === await of(0), hex(await late) === await of(2)]`;
  expect(await run(code)).toEqual([true, true]);
});
