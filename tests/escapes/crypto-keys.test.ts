import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../kit/isolates.ts';

// A key that is not extractable is in the host process alone. The guest may do with its own world as it likes: nothing
// that passes through it is the key, and what it holds is of no use to it.

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

/** Derives a key that nobody in the isolate has seen the bytes of, but whose bytes the test knows. */
const DERIVE = `
  const { subtle } = crypto;
  const base = await subtle.importKey('raw', new Uint8Array(32).fill(7), 'HKDF', false, ['deriveKey']);
  const derive = () => subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(1), info: new Uint8Array(1) }, base,
    { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt', 'wrapKey']);`;

async function secretBytes(): Promise<Buffer> {
  const base = await crypto.subtle.importKey('raw', new Uint8Array(32).fill(7), 'HKDF', false, ['deriveBits']);
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(1), info: new Uint8Array(1) };
  return Buffer.from(await crypto.subtle.deriveBits(parameters, base, 256));
}

/** Keeps every text and every list of bytes that passes through what a guest can patch. */
const SPY = `
  const seen = [];
  const { defineProperty, getOwnPropertyNames, getOwnPropertyDescriptor } = Object;
  const { apply } = Reflect;
  const note = (value) => {
    if (typeof value === 'string' && value.length > 15) seen[seen.length] = value;
    else if (value instanceof Uint8Array) { let text = ''; for (let at = 0; at < value.length && at < 5000; at += 1) text += fromCode(value[at]); seen[seen.length] = text }
  };
  const fromCode = String.fromCharCode;
  const spyOn = (owner, names) => {
    for (let at = 0; at < names.length; at += 1) {
      const found = getOwnPropertyDescriptor(owner, names[at]);
      if (found === undefined || typeof found.value !== 'function' || names[at] === 'constructor') continue;
      const original = found.value;
      defineProperty(owner, names[at], { ...found, value(...args) {
        note(this);
        for (let each = 0; each < args.length; each += 1) note(args[each]);
        const answer = apply(original, this, args);
        note(answer);
        return answer;
      } });
    }
  };
  const Typed = Object.getPrototypeOf(Uint8Array);
  spyOn(String, ['fromCharCode', 'fromCodePoint']);
  spyOn(String.prototype, ['charCodeAt', 'slice', 'indexOf', 'split', 'concat', 'substring', 'at']);
  spyOn(Typed.prototype, ['set', 'subarray', 'slice', 'fill']);
  spyOn(Uint8Array, ['from', 'of', 'fromBase64', 'fromHex']);
  spyOn(JSON, ['parse', 'stringify']);
  spyOn(Map.prototype, ['get', 'set', 'delete', 'has']);
  spyOn(Promise.prototype, ['then']);
  const setter = (key) => defineProperty(Object.prototype, key, { configurable: true,
    set(value) { note(value); defineProperty(this, key, { value, writable: true, configurable: true, enumerable: true }) }, get() { return undefined } });
  for (const key of ['key', 'sealed', 'keys', 'head', 'body', 'toJSON', 'material', 'data']) setter(key);`;

test('nothing that passes through a patched language is the key', async () => {
  const seen = (await run(`${DERIVE} ${SPY}
    const key = await derive();
    const iv = new Uint8Array(12);
    const sealed = await subtle.encrypt({ name: 'AES-GCM', iv }, key, new Uint8Array([1, 2, 3]));
    await subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed);
    await subtle.exportKey('raw', key).catch(() => undefined);
    await subtle.wrapKey('raw', key, key, { name: 'AES-GCM', iv }).catch(() => undefined);
    structuredClone(key);
    console.log(key);
    const list = [];
    for (let at = 0; at < seen.length; at += 1) list[at] = seen[at];
    return list`)) as string[];
  const secret = await secretBytes();
  const all = seen.join('\n');
  expect(seen.length).toBeGreaterThan(0);
  for (const form of [secret.toString('latin1'), secret.toString('hex'), secret.toString('base64')]) {
    expect(all).not.toContain(form);
  }
  // The last 16 bytes alone, which are in base64 at another offset.
  expect(all).not.toContain(secret.subarray(16).toString('latin1'));
});

test('the object itself has nothing to look at', async () => {
  const told = await run(`${DERIVE}
    const key = await derive();
    const everything = [];
    for (let at = key; at !== null; at = Object.getPrototypeOf(at)) {
      for (const name of Reflect.ownKeys(at)) {
        const { get } = Object.getOwnPropertyDescriptor(at, name);
        if (get !== undefined && name !== '__proto__') everything.push([String(name), JSON.stringify(get.call(key))]);
      }
    }
    let shown = ''; console.log(key);
    return { everything, json: JSON.stringify(key), entries: Object.entries(key), clone: JSON.stringify(structuredClone({ key })) }`);
  expect(told).toEqual({
    everything: [
      ['type', '"secret"'],
      ['extractable', 'false'],
      ['algorithm', '{"name":"AES-GCM","length":256}'],
      ['usages', '["encrypt","decrypt","wrapKey"]'],
    ],
    json: '{}',
    entries: [],
    clone: '{"key":{}}',
  });
});

test.each<[string, string]>([
  ['exporting it', `subtle.exportKey('jwk', key)`],
  ['wrapping it with itself', `subtle.wrapKey('raw', key, key, { name: 'AES-GCM', iv: new Uint8Array(12) })`],
  ['exporting a clone of it', `subtle.exportKey('raw', structuredClone(key))`],
  [
    'exporting an object that says it may be',
    `subtle.exportKey('raw', Object.setPrototypeOf({ extractable: true, type: 'secret' }, CryptoKey.prototype))`,
  ],
  ['a proxy of it', `subtle.exportKey('raw', new Proxy(key, { get: () => true }))`],
  ['a subclass', `subtle.exportKey('raw', new (class extends CryptoKey {})(Symbol('internal'), { sealed: 'AAAA' }))`],
  [
    'using it as another kind',
    `subtle.deriveBits({ name: 'HKDF', hash: 'SHA-1', salt: new Uint8Array(1), info: new Uint8Array(1) }, key, 128)`,
  ],
])('no way out: %s', async (_what, code) => {
  const told = `${DERIVE} const key = await derive(); return (async () => ${code})().then(() => 'had it', (error) => error.name)`;
  expect(['InvalidAccessError', 'TypeError']).toContain((await run(told)) as string);
});

test('a guest that has patched everything still gets right answers, or an error, and never the prelude', async () => {
  const code = `${DERIVE}
    const key = await derive();
    const evil = () => { throw new Error('patched') };
    Array.prototype[Symbol.iterator] = evil;
    for (const name of ['map', 'join', 'push', 'includes', 'find']) Array.prototype[name] = evil;
    Object.prototype.toJSON = evil;
    JSON.stringify = JSON.parse = evil;
    Map.prototype.get = Map.prototype.set = evil;
    return subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key, new Uint8Array(3)).then((sealed) => 'sealed ' + sealed.byteLength, (error) => error.message)`;
  // The runner answers by way of the language: what it says is the guest's own error, or the bytes.
  const said = await run(code).catch((error: Error) => error.message);
  expect(['sealed 19', 'patched', 'Error: patched']).toContain(said as string);
});
