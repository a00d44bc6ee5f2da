import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

test.each<[string, string, unknown]>([
  ['btoa', `[btoa(''), btoa('a'), btoa('\\xff\\xfe'), btoa(null)]`, ['', 'YQ==', '//4=', 'bnVsbA==']],
  [
    'atob',
    `['', 'YQ==', 'YQ', ' Y\\tQ\\n=\\f=\\r', '//4=', 'YR=='].map(atob)`,
    ['', 'a', 'a', 'a', '\u00ff\u00fe', 'a'],
  ],
  [
    'what atob refuses',
    `['a', 'YQ=', '=', 'YQ===', 'Y-_Q', 'é', 'YQ==YQ==', '====', 'Y=Q='].map(t => { try { return atob(t) } catch (e) { return e.name } })`,
    Array(9).fill('InvalidCharacterError'),
  ],
  [
    'what btoa refuses',
    `(() => { try { btoa('\\u0100') } catch (e) { return [e.name, e.code] } })()`,
    ['InvalidCharacterError', 5],
  ],
  [
    'UUIDs',
    `(all => [all.size, [...all].every(u => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(u))])(new Set(Array.from({ length: 2000 }, () => crypto.randomUUID())))`,
    [2000, true],
  ],
  [
    'getRandomValues fills what it is given',
    `(a => [crypto.getRandomValues(a) === a, a.some(x => x > 255), crypto.getRandomValues(new Uint8Array(10).subarray(2, 4)).length])(new Uint32Array(100))`,
    [true, true, 2],
  ],
  [
    'and no byte around a view',
    `(a => { crypto.getRandomValues(a.subarray(2, 4)); return [a[0], a[1], ...a.slice(4)] })(new Uint8Array(8))`,
    [0, 0, 0, 0, 0, 0],
  ],
  ['large arrays', `(a => { crypto.getRandomValues(a); return new Set(a).size })(new Uint8Array(65536))`, 256],
  [
    'too large arrays',
    `(() => { try { crypto.getRandomValues(new Uint8Array(65537)) } catch (e) { return e.name } })()`,
    'QuotaExceededError',
  ],
  [
    'floats',
    `[new Float32Array(1), new DataView(new ArrayBuffer(1)), {}, null].map(a => { try { crypto.getRandomValues(a) } catch (e) { return e.name } })`,
    Array(4).fill('TypeMismatchError'),
  ],
  ['crypto is a Crypto', `[crypto instanceof Crypto, String(crypto)]`, [true, '[object Crypto]']],
])('%s', async (_, code, expected) => {
  expect(await run(`return ${code}`)).toEqual(expected);
});

test('atob agrees with the standard on random texts', async () => {
  const code = `
    // "Forgiving-base64 decode" of the Infra standard, by the letter.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const plain = (data) => {
      let text = data.replace(/[\\t\\n\\f\\r ]/g, '');
      if (text.length % 4 === 0) text = text.replace(/==?$/, '');
      if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) return null;
      let bits = ''; for (const c of text) bits += alphabet.indexOf(c).toString(2).padStart(6, '0');
      let out = ''; for (let i = 0; i + 8 <= bits.length; i += 8) out += String.fromCharCode(parseInt(bits.slice(i, i + 8), 2));
      return out;
    };
    let seed = 1; const next = (n) => { seed = (seed * 48271) % 2147483647; return seed % n };
    const wrong = [];
    for (let i = 0; i < 20000; i++) {
      let text = ''; for (let n = next(9); n > 0; n--) text += 'AZaz09+/== \\t-'[next(13)];
      let got = null; try { got = atob(text) } catch {}
      if (got !== plain(text)) wrong.push(text);
    }
    return wrong`;
  expect(await run(code)).toEqual([]);
});
