import { afterAll, expect, test } from 'bun:test';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates(`${import.meta.dir}/../../kit/node-entry.ts`);
afterAll(() => isolates.close());
const { run } = isolates;

const WORDS = `
  const crypto = __require('node:crypto');
  const { Buffer } = __require('buffer');
  const { Readable, Writable, pipeline } = __require('stream');
  const { promisify } = __require('util');
  const failed = (work) => { try { work(); return 'nothing' } catch (error) { return error.code ?? error.name } };`;

test.each<[string, string, unknown]>([
  [
    'hashes: in pieces, copied, in every form',
    `const hash = crypto.createHash('SHA256').update('a');
     const copy = hash.copy().update(Buffer.from('b'));
     return [hash.update('62', 'hex').digest('hex') === copy.digest('hex'), Buffer.isBuffer(crypto.createHash('md5').digest()),
       crypto.createHash('md5').update('abc').digest('base64'), crypto.hash('sha1', 'abc')]`,
    [true, true, 'kAFQmDzST7DWlj99KOF/cg==', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  ],
  [
    'HMAC of RFC 4231, test case 2, by a text and by a KeyObject',
    `const of = (key) => crypto.createHmac('sha256', key).update('what do ya want for nothing?').digest('hex');
     return [of('Jefe'), of(crypto.createSecretKey(Buffer.from('Jefe'))) === of('Jefe')]`,
    ['5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843', true],
  ],
  [
    'scrypt and PBKDF2 of RFC 7914, HKDF of RFC 5869',
    `const later = await promisify(crypto.scrypt)('', '', 64, { N: 16, r: 1, p: 1 });
     const hkdf = Buffer.from(crypto.hkdfSync('sha256', Buffer.alloc(22, 0x0b), Buffer.from('000102030405060708090a0b0c', 'hex'), Buffer.from('f0f1f2f3f4f5f6f7f8f9', 'hex'), 42));
     return [later.toString('hex'), crypto.scryptSync('', '', 64, { N: 16, r: 1, p: 1 }).equals(later),
       (await promisify(crypto.pbkdf2)('passwd', 'salt', 1, 64, 'sha256')).toString('hex').slice(0, 32), hkdf.toString('hex')]`,
    [
      '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906',
      true,
      '55ac046e56e3089fec1691c22544b605',
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    ],
  ],
  [
    'AES-256-GCM with additional data, and what does not fit',
    `const [key, iv] = [Buffer.alloc(32, 1), Buffer.alloc(12, 2)];
     const cipher = crypto.createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from('aad'));
     const sealed = cipher.update('hello ', 'utf8', 'hex') + cipher.update('world', 'utf8', 'hex') + cipher.final('hex');
     const open = (tag, aad) => {
       const decipher = crypto.createDecipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(aad));
       const text = decipher.update(sealed, 'hex', 'utf8');
       decipher.setAuthTag(tag);
       return text + decipher.final('utf8');
     };
     const tag = cipher.getAuthTag();
     return [open(tag, 'aad'), failed(() => open(Buffer.alloc(16), 'aad')), failed(() => open(tag, 'other')), failed(() => cipher.update('x'))]`,
    ['hello world', 'Error', 'Error', 'ERR_CRYPTO_INVALID_STATE'],
  ],
  [
    'AES-CBC with and without padding',
    `const [key, iv] = [Buffer.alloc(16), Buffer.alloc(16)];
     const seal = (padding, text) => { const cipher = crypto.createCipheriv('aes-128-cbc', key, iv).setAutoPadding(padding); return Buffer.concat([cipher.update(text), cipher.final()]) };
     const decipher = crypto.createDecipheriv('AES-128-CBC', key, iv);
     return [seal(true, Buffer.alloc(16)).length, seal(false, Buffer.alloc(16)).length, failed(() => seal(false, 'x')),
       decipher.update(seal(true, 'text'), null, 'utf8') + decipher.final('utf8')]`,
    [32, 16, 'ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH', 'text'],
  ],
  [
    'what is asked for in the wrong way',
    `return [
       failed(() => crypto.createHash('nope')), failed(() => crypto.createHash('md5').update(7)),
       failed(() => { const hash = crypto.createHash('md5'); hash.digest(); hash.digest() }),
       failed(() => crypto.timingSafeEqual(Buffer.alloc(1), Buffer.alloc(2))), failed(() => crypto.randomInt(3, 3)), failed(() => crypto.randomBytes(-1)),
       failed(() => crypto.createPrivateKey('nonsense')), failed(() => crypto.createCipheriv('aes-128-cbc', Buffer.alloc(3), Buffer.alloc(16)).update('x')),
       failed(() => crypto.pbkdf2Sync('p', 's', 1_000_000, 32, 'sha256')), failed(() => new crypto.KeyObject('secret')),
       failed(() => crypto.createPrivateKey({ key: '-----BEGIN ENCRYPTED PRIVATE KEY-----', passphrase: 'p' })),
     ]`,
    [
      'ERR_OSSL_EVP_UNSUPPORTED',
      'ERR_INVALID_ARG_TYPE',
      'ERR_CRYPTO_HASH_FINALIZED',
      'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH',
      'ERR_OUT_OF_RANGE',
      'ERR_OUT_OF_RANGE',
      'ERR_OSSL_UNSUPPORTED',
      'ERR_CRYPTO_INVALID_KEYLEN',
      'ERR_OUT_OF_RANGE',
      'ERR_ILLEGAL_CONSTRUCTOR',
      'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
    ],
  ],
  [
    'randomness of the right size and range',
    `const numbers = new Set(Array.from({ length: 500 }, () => crypto.randomInt(3, 6)));
     return [[...numbers].sort(), crypto.randomBytes(100_000).length, new Set(crypto.randomBytes(100_000)).size,
       (await promisify(crypto.randomBytes)(5)).length, [...crypto.randomFillSync(Buffer.alloc(4), 4)],
       crypto.getRandomValues(new Uint8Array(3)).length, crypto.randomUUID().length, crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a'))]`,
    [[3, 4, 5], 100_000, 256, 5, [0, 0, 0, 0], 3, 36, true],
  ],
  [
    'hashes and ciphers as streams',
    `const seen = [];
     const key = [Buffer.alloc(16), Buffer.alloc(16)];
     const sink = new Writable({ write(chunk, _encoding, done) { seen.push(chunk); done() } });
     await promisify(pipeline)(Readable.from([Buffer.from('hello '), Buffer.from('world')]),
       crypto.createCipheriv('aes-128-ctr', ...key), crypto.createDecipheriv('aes-128-ctr', ...key), sink);
     const hash = crypto.createHash('sha1');
     hash.write('abc');
     hash.end();
     const digest = []; for await (const chunk of hash) digest.push(chunk);
     return [Buffer.concat(seen).toString(), Buffer.concat(digest).toString('hex')]`,
    ['hello world', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  ],
  [
    'keys: by curve, agreed upon, exported, compared, and of the web',
    `const [a, b] = [crypto.generateKeyPairSync('x25519'), crypto.generateKeyPairSync('x25519')];
     const agree = (mine, theirs) => crypto.diffieHellman({ privateKey: mine.privateKey, publicKey: theirs.publicKey }).toString('hex');
     const ed = crypto.generateKeyPairSync('ed25519', { privateKeyEncoding: { format: 'pem', type: 'pkcs8' } });
     const signed = crypto.sign(null, Buffer.from('x'), ed.privateKey);
     const web = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
     const kept = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
     return [agree(a, b) === agree(b, a), crypto.verify(null, Buffer.from('x'), ed.publicKey, signed), crypto.createPublicKey(ed.privateKey).equals(ed.publicKey),
       ed.publicKey.asymmetricKeyType, ed.publicKey.export({ format: 'jwk' }).crv, crypto.KeyObject.from(web).symmetricKeySize, failed(() => crypto.KeyObject.from(kept)), failed(() => crypto.createHmac('sha1', kept))]`,
    [true, true, true, 'ed25519', 'Ed25519', 64, 'ERR_INVALID_ARG_VALUE', 'ERR_INVALID_ARG_TYPE'],
  ],
])('%s', async (_what, code, expected) => {
  expect(await run(`${WORDS}\n${code}`)).toEqual(expected);
});

test('a hash of more than one piece is that of the whole', async () => {
  const expected = createHash('sha512').update(Buffer.alloc(3_500_000, 7)).digest('hex');
  const code = `${WORDS}
    const data = Buffer.alloc(3_500_000, 7);
    const pieces = crypto.createHash('sha512');
    for (let at = 0; at < data.length; at += 300_000) pieces.update(data.subarray(at, at + 300_000));
    return [crypto.createHash('sha512').update(data).digest('hex'), pieces.digest('hex')]`;
  expect(await run(code, { memoryLimit: 128 })).toEqual([expected, expected]);
});

test('signatures, which Bun takes: RSA of both paddings, ECDSA of both forms', async () => {
  const made = (await run(`${WORDS}
    const pem = { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } };
    const rsa = await promisify(crypto.generateKeyPair)('rsa', { modulusLength: 2048, ...pem });
    const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'secp384r1', ...pem });
    const pss = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
    const sealed = crypto.publicEncrypt({ key: rsa.publicKey, oaepHash: 'sha256' }, Buffer.from('secret'));
    return { rsa: rsa.publicKey, ec: ec.publicKey,
      plain: crypto.createSign('RSA-SHA256').update('da').update('ta').sign(rsa.privateKey, 'hex'),
      pss: crypto.sign('sha256', Buffer.from('data'), { key: rsa.privateKey, ...pss }).toString('hex'),
      der: crypto.createSign('sha384').update('data').sign(ec.privateKey, 'hex'),
      p1363: crypto.sign('sha384', Buffer.from('data'), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }).toString('hex'),
      own: crypto.createVerify('sha384').update('data').verify(ec.publicKey, crypto.sign('sha384', Buffer.from('data'), ec.privateKey)),
      opened: crypto.privateDecrypt({ key: rsa.privateKey, oaepHash: 'sha256' }, sealed).toString() }`)) as Record<
    string,
    string
  >;
  const data = Buffer.from('data');
  const [rsa, ec] = [createPublicKey(made.rsa as string), createPublicKey(made.ec as string)];
  const bytes = (name: string): Buffer => Buffer.from(made[name] as string, 'hex');
  expect(verify('sha256', data, rsa, bytes('plain'))).toBe(true);
  expect(verify('sha256', data, { key: rsa, padding: 6, saltLength: 32 }, bytes('pss'))).toBe(true);
  expect(verify('sha384', data, ec, bytes('der'))).toBe(true);
  expect(verify('sha384', data, { key: ec, dsaEncoding: 'ieee-p1363' }, bytes('p1363'))).toBe(true);
  expect(made).toMatchObject({ own: true, opened: 'secret' });
});
