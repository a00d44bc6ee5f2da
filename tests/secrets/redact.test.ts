import { describe, expect, test } from 'bun:test';
import { createRedactor } from '../../src/secrets/redact.ts';

const SECRET = 'p@ss w"ord/ä+\n\\end';
const base64 = (text: string) => Buffer.from(text).toString('base64');

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

  test('leaves short ones and those of other plugins', () => {
    expect(redactor.redact('a short mail-password', 'slack')).toBe('a short mail-password');
    expect(redactor.redact('a mail-password', 'unknown')).toBe('a mail-password');
  });

  test('masks those of all plugins when none is named', () => {
    expect(redactor.redact(`mail-password ${SECRET}`)).toBe('******** ********');
  });

  test('follows changes', () => {
    const changing = createRedactor();
    changing.set('p', ['first-secret']);
    changing.set('p', ['second-secret']);
    expect(changing.redact('first-secret second-secret', 'p')).toBe('first-secret ********');
    changing.set('p', ['']);
    expect(changing.redact('second-secret', 'p')).toBe('second-secret');
    changing.set('p', ['third-secret']);
    changing.drop('p');
    expect(changing.redact('third-secret', 'p')).toBe('third-secret');
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
