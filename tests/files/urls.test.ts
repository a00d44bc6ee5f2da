import { expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { createFileUrls, type FileLink } from '../../src/files/urls.ts';

const link: FileLink = {
  plugin: 'shop',
  installation: 3,
  path: 'bills/mai é.pdf',
  expires: 2_000_000_000,
  download: true,
};
const key = randomBytes(32);
const urls = createFileUrls(() => key, null);
const tokenOf = (url: string): string => url.replace(/^.*\/files\//, '');

test('a link is what it was signed for', () => {
  const url = urls.sign(link);
  expect(url).toMatch(/^\/files\/[A-Za-z0-9_-]+$/);
  expect(urls.verify(tokenOf(url))).toEqual(link);
  const longest = { ...link, plugin: 'p'.repeat(63), path: '"'.repeat(1_024) };
  expect(urls.verify(tokenOf(urls.sign(longest)))).toEqual(longest);
});

test('it begins with the public URL when there is one', () => {
  const url = createFileUrls(() => key, 'https://example.com/base').sign(link);
  expect(url).toStartWith('https://example.com/base/files/');
  expect(urls.verify(tokenOf(url))).toEqual(link);
});

test('no other text is one: changed, cut, longer, spelt otherwise, of another key, of nobody', () => {
  const token = tokenOf(urls.sign(link));
  const bytes = Buffer.from(token, 'base64url');
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(urls.verify(changed.toString('base64url'))).toBeNull();
  }
  const others = [
    token.slice(0, -4),
    `${token}AAAA`,
    `${token}=`,
    `${token} `,
    '',
    'A'.repeat(5_000),
    'A'.repeat(43),
    'é',
  ];
  for (const other of others) expect(urls.verify(other)).toBeNull();
  // The last character has bits that say nothing: only one of its spellings is taken.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const taken = [...alphabet].filter((last) => urls.verify(token.slice(0, -1) + last) !== null);
  expect(taken).toEqual([token.at(-1) ?? '']);
  expect(createFileUrls(() => randomBytes(32), null).verify(token)).toBeNull();
});

test('the key is asked for each time: after a rotation old links count no more', () => {
  let now = key;
  const rotating = createFileUrls(() => now, null);
  const token = tokenOf(rotating.sign(link));
  now = randomBytes(32);
  expect(rotating.verify(token)).toBeNull();
  expect(rotating.verify(tokenOf(rotating.sign(link)))).toEqual(link);
});
