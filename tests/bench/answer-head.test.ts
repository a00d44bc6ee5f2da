import { expect, test } from 'bun:test';
import { parseAnswerHead } from '../../bench/answer-head.ts';

const parse = (text: string) => parseAnswerHead(Buffer.from(text));

test('reads status, length and the beginning of the body', () => {
  const head = 'HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 12\r\n\r\n';
  expect(parse(`${head}{"ok":true}\n`)).toEqual({ status: 200, bodyAt: head.length, length: 12 });
});

test('reads the length in any case, and not out of the body', () => {
  const body = '\r\nContent-Length: 99';
  expect(parse(`HTTP/1.1 429 Too Many\r\ncontent-length:20\r\n\r\n${body}`)).toMatchObject({ status: 429, length: 20 });
});

test('a head that is not whole is waited for', () => {
  expect(parse('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n')).toBeNull();
});

test('an answer without a length has none', () => {
  expect(parse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')?.length).toBeNaN();
});
