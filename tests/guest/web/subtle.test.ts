import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

// Published vectors, worked out inside an isolate: the guest's half, the transport and the host's half together.

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

/** What the snippets say briefly. */
const WORDS = `
  const { subtle } = crypto;
  const bytes = (hex) => Uint8Array.fromHex(hex);
  const text = (value) => new TextEncoder().encode(value);
  const hex = (buffer) => new Uint8Array(buffer).toHex();
  const url64 = (value) => Uint8Array.fromBase64(value, { alphabet: 'base64url' });
  const toUrl64 = (buffer) => new Uint8Array(buffer).toBase64({ alphabet: 'base64url', omitPadding: true });
  const raw = (key, algorithm, ...usages) => subtle.importKey('raw', key, algorithm, true, usages);`;
const JWS_PAYLOAD = 'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ';
const GCM = {
  key: 'feffe9928665731c6d6a8f9467308308',
  iv: 'cafebabefacedbaddecaf888',
  aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
  plain:
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  sealed:
    '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
};

test.each<[string, string, unknown]>([
  [
    'SHA-256 of FIPS 180-2, "abc"',
    `return hex(await subtle.digest({ name: 'sha-256' }, text('abc')))`,
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  ],
  [
    'AES-GCM, test case 4 of the specification that NIST took, both ways',
    `const key = await raw(bytes('${GCM.key}'), 'AES-GCM', 'encrypt', 'decrypt');
     const algorithm = { name: 'AES-GCM', iv: bytes('${GCM.iv}'), additionalData: bytes('${GCM.aad}') };
     const sealed = await subtle.encrypt(algorithm, key, bytes('${GCM.plain}'));
     return [hex(sealed), hex(await subtle.decrypt(algorithm, key, sealed))]`,
    [GCM.sealed, GCM.plain],
  ],
  [
    'AES-KW of RFC 3394, 4.1',
    `const wrapping = await raw(bytes('000102030405060708090a0b0c0d0e0f'), 'AES-KW', 'wrapKey', 'unwrapKey');
     const key = await raw(bytes('00112233445566778899aabbccddeeff'), 'AES-CBC', 'encrypt');
     const wrapped = await subtle.wrapKey('raw', key, wrapping, 'AES-KW');
     const back = await subtle.unwrapKey('raw', wrapped, wrapping, 'AES-KW', 'AES-CTR', true, ['encrypt']);
     return [hex(wrapped), hex(await subtle.exportKey('raw', back)), back.algorithm.name]`,
    ['1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5', '00112233445566778899aabbccddeeff', 'AES-CTR'],
  ],
  [
    'HMAC of RFC 4231, test case 2',
    `const key = await raw(text('Jefe'), { name: 'HMAC', hash: 'SHA-256' }, 'sign');
     return hex(await subtle.sign('HMAC', key, text('what do ya want for nothing?')))`,
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [
    'HKDF of RFC 5869, test case 1',
    `const key = await raw(new Uint8Array(22).fill(0x0b), 'PBKDF2', 'deriveBits').catch((error) => error.name);
     const base = await subtle.importKey('raw', new Uint8Array(22).fill(0x0b), 'HKDF', false, ['deriveBits']);
     const parameters = { hash: 'SHA-256', salt: bytes('000102030405060708090a0b0c'), info: bytes('f0f1f2f3f4f5f6f7f8f9') };
     return [key, hex(await subtle.deriveBits({ name: 'HKDF', ...parameters }, base, 42 * 8))]`,
    ['SyntaxError', '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865'],
  ],
  [
    'PBKDF2 of RFC 6070 (SHA-1) and RFC 7914 (SHA-256)',
    `const derive = async (password, hash, iterations, bits) => {
       const key = await subtle.importKey('raw', text(password), 'PBKDF2', false, ['deriveBits']);
       return hex(await subtle.deriveBits({ name: 'PBKDF2', hash, salt: text('salt'), iterations }, key, bits));
     };
     return [await derive('password', 'SHA-1', 4096, 160), await derive('passwd', 'SHA-256', 1, 512)]`,
    [
      '4b007901b765489abead49d926f721d065a429c1',
      '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783',
    ],
  ],
  [
    'HS256 of RFC 7515, A.1',
    `const k = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow';
     const key = await subtle.importKey('jwk', { kty: 'oct', k }, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
     return toUrl64(await subtle.sign('HMAC', key, text('eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${JWS_PAYLOAD}')))`,
    'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  ],
  [
    'ES256 of RFC 7515, A.3, which is right, and with one bit changed',
    `const jwk = { kty: 'EC', crv: 'P-256', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0' };
     const key = await subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
     const signature = url64('DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q');
     const check = () => subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, text('eyJhbGciOiJFUzI1NiJ9.${JWS_PAYLOAD}'));
     const right = await check();
     signature[5] ^= 1;
     return [right, await check()]`,
    [true, false],
  ],
  [
    'EdDSA of RFC 8037, A.4',
    `const jwk = { kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
     const key = await subtle.importKey('jwk', jwk, 'Ed25519', false, ['sign']);
     return toUrl64(await subtle.sign('Ed25519', key, text('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc')))`,
    'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
  ],
])('%s', async (_, code, expected) => {
  expect(await run(`${WORDS}\n${code}`)).toEqual(expected);
});

test.each<[string, string, object]>([
  ['RSASSA-PKCS1-v1_5', `{ name: 'RSASSA-PKCS1-v1_5' }`, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' }],
  ['RSA-PSS', `{ name: 'RSA-PSS', saltLength: 32 }`, { name: 'RSA-PSS', hash: 'SHA-256' }],
  ['ECDSA P-384', `{ name: 'ECDSA', hash: 'SHA-384' }`, { name: 'ECDSA', namedCurve: 'P-384' }],
  ['ECDSA P-521', `{ name: 'ECDSA', hash: 'SHA-512' }`, { name: 'ECDSA', namedCurve: 'P-521' }],
  ['Ed25519', `'Ed25519'`, { name: 'Ed25519' }],
])("another implementation (Bun's) takes a signature of %s, and the key by its JSON", async (_, how, key) => {
  const rsa = { modulusLength: 2048, publicExponent: [1, 0, 1] };
  const made = await run(`${WORDS}
    const algorithm = { ...${JSON.stringify({ ...rsa, ...key })}, publicExponent: new Uint8Array([1, 0, 1]) };
    const { publicKey, privateKey } = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const pkcs8 = await subtle.exportKey('pkcs8', privateKey);
    const again = await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
    return { jwk: await subtle.exportKey('jwk', publicKey), signature: hex(await subtle.sign(${how}, again, text('data'))) }`);
  const { jwk, signature } = made as { jwk: JsonWebKey; signature: string };
  const theirs = await crypto.subtle.importKey('jwk', jwk, key as EcKeyImportParams, true, ['verify']);
  const parameters = new Function(`return ${how}`)() as EcdsaParams;
  const data = new TextEncoder().encode('data');
  expect(await crypto.subtle.verify(parameters, theirs, Uint8Array.fromHex(signature), data)).toBe(true);
});

test.each(['P-256', 'P-384', 'P-521'])(
  'both sides of ECDH on %s agree, and derive the same key',
  async (namedCurve) => {
    const code = `${WORDS}
    const make = () => subtle.generateKey({ name: 'ECDH', namedCurve: '${namedCurve}' }, false, ['deriveKey', 'deriveBits']);
    const [a, b] = [await make(), await make()];
    const derive = (mine, theirs) => subtle.deriveKey({ name: 'ECDH', public: theirs.publicKey }, mine.privateKey, { name: 'AES-GCM', length: 256 }, true, ['encrypt']);
    const keys = await Promise.all([derive(a, b), derive(b, a)]);
    const [first, second] = await Promise.all(keys.map((key) => subtle.exportKey('raw', key)));
    return [hex(first) === hex(second), first.byteLength]`;
    expect(await run(code)).toEqual([true, 32]);
  },
);

test('RSA-OAEP with a label, AES-CBC and AES-CTR give back what they took', async () => {
  const code = `${WORDS}
    const rsa = { name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
    const { publicKey, privateKey } = await subtle.generateKey(rsa, false, ['encrypt', 'decrypt']);
    const oaep = { name: 'RSA-OAEP', label: text('label') };
    const out = [hex(await subtle.decrypt(oaep, privateKey, await subtle.encrypt(oaep, publicKey, bytes('0102'))))];
    const sixteen = new Uint8Array(16);
    for (const algorithm of [{ name: 'AES-CBC', iv: sixteen }, { name: 'AES-CTR', counter: sixteen, length: 64 }]) {
      const key = await subtle.generateKey({ name: algorithm.name, length: 192 }, false, ['encrypt', 'decrypt']);
      out.push(hex(await subtle.decrypt(algorithm, key, await subtle.encrypt(algorithm, key, bytes('0304')))));
    }
    const wrong = await subtle.decrypt({ name: 'RSA-OAEP' }, privateKey, new Uint8Array(256)).catch((error) => error.name);
    return [...out, wrong]`;
  expect(await run(code)).toEqual(['0102', '0304', '0304', 'OperationError']);
});

test('five megabytes go through, and hundreds of operations at once', async () => {
  const code = `${WORDS}
    const large = await subtle.digest('SHA-1', new Uint8Array(5_000_000));
    const many = await Promise.all(Array.from({ length: 500 }, (_, at) => subtle.digest('SHA-1', new Uint8Array([at]))));
    return [hex(large), many.length, new Set(many.map(hex)).size]`;
  const large = new Bun.CryptoHasher('sha1').update(new Uint8Array(5_000_000)).digest('hex');
  expect(await run(code, { memoryLimit: 128 })).toEqual([large, 500, 256]);
});
