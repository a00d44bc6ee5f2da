import { describe, expect, test } from 'bun:test';
import { createRedactor } from '../../src/secrets/redact.ts';

const SECRET = 'p@ss w"ord/ä+\n\\end';
const base64 = (text: string) => Buffer.from(text).toString('base64');
function urlWith(change: (url: URL) => void): URL {
  const url = new URL('https://host/');
  change(url);
  return url;
}

describe('the redactor', () => {
  const redactor = createRedactor();
  redactor.set('slack', [SECRET, 'short', 'https://hooks.slack.com/T/B/X', 'https://hooks.slack.com/T/B/XYZ']);
  redactor.set('mail', ['mail-password']);

  test.each([
    ['as it is', SECRET],
    ['URL-encoded', encodeURIComponent(SECRET)],
    ['URL-encoded in lower case', encodeURIComponent(SECRET).replace(/%../g, (byte) => byte.toLowerCase())],
    ['as a form has it', new URLSearchParams({ '': SECRET }).toString().slice(1)],
    ['escaped for JSON', JSON.stringify(SECRET).slice(1, -1)],
    ['escaped for JSON twice', JSON.stringify(JSON.stringify(SECRET)).slice(3, -3)],
    ['escaped for JSON in ASCII', JSON.stringify(SECRET).slice(1, -1).replace('ä', '\\u00e4')],
    [
      'as credentials of a URL',
      urlWith((url) => {
        url.password = SECRET;
      }).password,
    ],
    [
      'as the query of a URL',
      urlWith((url) => {
        url.hash = SECRET;
      }).hash.slice(1),
    ],
    ['escaped for HTML', SECRET.replaceAll('"', '&quot;')],
    ['in hexadecimal', Buffer.from(SECRET).toString('hex')],
    ['in hexadecimal, large', Buffer.from(SECRET).toString('hex').toUpperCase()],
  ])('masks a secret %s', (_, form) => {
    expect(redactor.redact(`before ${form} after ${form}`, 'slack')).toBe('before ******** after ********');
  });

  test.each(['', 'a', 'ab', 'abc', 'user:'])('masks it in base64 behind %j', (before) => {
    for (const after of ['', '!', 'tail']) {
      for (const encode of [base64, (text: string) => Buffer.from(text).toString('base64url')]) {
        const masked = redactor.redact(`Basic ${encode(before + SECRET + after)}`, 'slack');
        expect(masked).toContain('********');
        const left = masked.replace('Basic ', '').split('********');
        // What is left decodes to the text around it; of the secret, a part of a byte at most.
        expect(left.join('').length).toBeLessThanOrEqual(encode(before).length + encode(after).length + 4);
      }
    }
  });

  test('masks the longer of two secrets as a whole', () => {
    expect(redactor.redact('to https://hooks.slack.com/T/B/XYZ!', 'slack')).toBe('to ********!');
  });

  test('leaves those of other plugins', () => {
    expect(redactor.redact('a mail-password', 'slack')).toBe('a mail-password');
    expect(redactor.redact('a mail-password', 'unknown')).toBe('a mail-password');
  });

  test('masks short ones where they stand alone, and the shortest not at all', () => {
    const pins = createRedactor();
    pins.set('p', ['4711', 'short', 'abc']);
    expect(pins.redact('pin=4711, "short"; 4711', 'p')).toBe('pin=********, "********"; ********');
    expect(pins.redact('14711 47110 shorter über4711 short_ abc', 'p')).toBe('14711 47110 shorter über4711 short_ abc');
  });

  test('masks a number that lost its zeros, and each line of a key', () => {
    const odd = createRedactor();
    const lines = ['MIIEvQIBADANBgkqhkiG9w0B', 'AQEFAASCBKcwggSjAgEAAoIB', 'AQC7'];
    odd.set('p', ['0012345678', `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`]);
    expect(odd.redact('is 12345678', 'p')).toBe('is ********');
    const text = `key:\r\n  -----BEGIN PRIVATE KEY-----\r\n  ${lines.join('\r\n  ')}`;
    expect(odd.redact(text, 'p')).toBe('key:\r\n  -----BEGIN PRIVATE KEY-----\r\n  ********\r\n  ********\r\n  AQC7');
  });

  test('masks what the end of a text cut off', () => {
    const long = createRedactor();
    long.set('p', ['abcdefghijklmnop']);
    const before = 'x'.repeat(100);
    expect(long.redact(`${before} abcdefghijkl`, 'p')).toBe(`${before} ********`);
    expect(long.redact(`${before} abcdefghijkl…`, 'p')).toBe(`${before} ********…`);
    // Less than half of it tells too little, and is likelier something else; so is the end of a short text.
    expect(long.redact(`${before} abcdefg`, 'p')).toBe(`${before} abcdefg`);
    expect(long.redact('abcdefghijkl', 'p')).toBe('abcdefghijkl');
  });

  test('a line of JSON stays one', () => {
    const odd = createRedactor();
    odd.set('p', ['12345678', '"level":', 'a"b"c"d', 'true,"x']);
    const line = (value: object) => `${JSON.stringify(value)}\n`;
    const clean = (value: object) => JSON.parse(odd.redactJson(line(value)));
    expect(clean({ level: 'info', a: 1 })).toEqual({ level: 'info', a: 1 });
    expect(clean({ pid: 12345678, text: 'n 12345678', k12345678: [{ q: 'is a"b"c"d' }] })).toEqual({
      pid: '********',
      text: 'n ********',
      'k********': [{ q: 'is ********' }],
    });
    expect(odd.redactJson(line({ a: true, x: 1 }))).toBe(line({ a: true, x: 1 }));
    expect(odd.redactJson(line({ n: 'nothing' }))).toBe(line({ n: 'nothing' }));
  });

  test('masks those of all plugins when none is named', () => {
    expect(redactor.redact(`mail-password ${SECRET}`)).toBe('******** ********');
  });

  test('follows changes, and forgets none that the plugin may still know', () => {
    const changing = createRedactor();
    changing.set('p', ['first-secret']);
    changing.set('p', ['second-secret']);
    expect(changing.redact('first-secret second-secret', 'p')).toBe('******** ********');
    changing.set('p', ['']);
    expect(changing.redact('second-secret', 'p')).toBe('********');
    for (let i = 0; i < 200; i += 1) changing.set('p', [`number-${i}.`]);
    expect(changing.redact('first-secret number-199. number-100. number-20.', 'p')).toBe(
      'first-secret ******** ******** number-20.',
    );
    changing.drop('p');
    expect(changing.redact('number-199.', 'p')).toBe('number-199.');
    expect(changing.redact('number-199.')).toBe('number-199.');
  });

  test('a secret is text, not a pattern, and half a surrogate pair does no harm', () => {
    const odd = createRedactor();
    odd.set('p', ['.*.*.*', '[a-z]+$', '\ud800\ud800\ud800\ud800\ud800\ud800']);
    expect(odd.redact('all of this stays', 'p')).toBe('all of this stays');
    expect(odd.redact('but .*.*.* goes', 'p')).toBe('but ******** goes');
  });

  test('many secrets and long text take little time', () => {
    const busy = createRedactor();
    busy.set(
      'p',
      Array.from({ length: 500 }, (_, i) => `secret-number-${i}-${'x'.repeat(40)}`),
    );
    const begun = performance.now();
    busy.redact('secret-number-'.repeat(2_000), 'p');
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
