import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { inNode } from '../../kit/in-node.ts';
import { type Isolates, startIsolates } from '../../kit/isolates.ts';

let isolates: Isolates;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../../kit/node-entry.ts'));
});
afterAll(() => isolates.close());

describe('node:buffer and node:string_decoder, as in Node', () => {
  test.each([
    [
      'encodings',
      `const { Buffer } = __require('node:buffer');
const text = 'héllo € \\ud83d\\ude00';
const encodings = ['utf8', 'utf-8', 'utf16le', 'ucs2', 'latin1', 'binary', 'ascii', 'hex', 'base64', 'base64url', 'BASE64URL'];
return encodings.map((encoding) => {
  const bytes = Buffer.from(text);
  const shown = bytes.toString(encoding);
  return [encoding, shown, [...Buffer.from(shown, encoding)], Buffer.byteLength(shown, encoding), Buffer.isEncoding(encoding)];
});`,
    ],
    [
      'text that is the name of an encoding',
      `const { Buffer } = __require('node:buffer');
return [Buffer.from('base64url').toString(), Buffer.alloc(9, 'base64url').toString(), Buffer.alloc(9).fill('base64url').toString()];`,
    ],
    [
      'making, slicing, comparing, searching',
      `const { Buffer } = __require('node:buffer');
const shared = new Uint8Array([65, 66, 67]).buffer;
const view = Buffer.from(shared, 1);
new Uint8Array(shared)[1] = 90;
return [
  view.toString(), Buffer.alloc(5, 'ab').toString(), Buffer.concat([Buffer.from('ab'), Buffer.from('cd')], 3).toString(),
  Buffer.compare(Buffer.from('a'), Buffer.from('b')), Buffer.from('abc').equals(Buffer.from('abc')), Buffer.from('abcabc').lastIndexOf('bc'),
  Buffer.from('abc').includes('d'), Buffer.from('abcdef').subarray(-3, -1).toString(), JSON.stringify(Buffer.from('z')), Buffer.isBuffer(new Uint8Array(1)),
  Buffer.from('abcd').swap16().toString(), [...Buffer.copyBytesFrom(new Uint16Array([1, 2, 3]), 1)], Buffer.from('x') instanceof Uint8Array,
];`,
    ],
    [
      'numbers',
      `const { Buffer } = __require('node:buffer');
const bytes = Buffer.alloc(24);
bytes.writeUInt32BE(0xdeadbeef, 0);
bytes.writeInt16LE(-2, 4);
bytes.writeDoubleBE(Math.PI, 6);
bytes.writeBigInt64LE(-5n, 14);
const outside = (run) => { try { run(); return 'fine'; } catch ({ name }) { return name; } };
return [
  bytes.toString('hex'), bytes.readUInt32BE(0), bytes.readInt16LE(4), bytes.readDoubleBE(6), String(bytes.readBigInt64LE(14)), bytes.readUIntBE(0, 3),
  outside(() => bytes.readInt32LE(21)), outside(() => bytes.writeUInt8(256, 0)),
];`,
    ],
    [
      'what else the module has',
      `const buffer = __require('node:buffer');
const { Buffer, isUtf8, isAscii, transcode, constants } = buffer;
return [
  isUtf8(Buffer.from([0xff])), isUtf8(Buffer.from('\\ufeffü')), isAscii(Buffer.from('a')), isAscii(Buffer.from('ü')),
  transcode(Buffer.from('€ü'), 'utf8', 'latin1').toString('hex'), constants.MAX_STRING_LENGTH, buffer.atob('aGk='), buffer.btoa('hi'),
  typeof buffer.Blob, buffer.Blob === Blob, __require('buffer').Buffer === Buffer,
];`,
    ],
    [
      'characters over the ends of chunks',
      `const { StringDecoder } = __require('node:string_decoder');
const { Buffer } = __require('node:buffer');
return ['utf8', 'utf16le', 'base64', 'hex', 'latin1'].map((encoding) => {
  const decoder = new StringDecoder(encoding);
  const parts = [...Buffer.from('a€\\ud83d\\ude00ü', 'utf8')].map((byte) => decoder.write(Buffer.from([byte])));
  return [encoding, parts, decoder.end(Buffer.from([0xe2]))];
});`,
    ],
  ])('%s', async (_what, code) => {
    expect(await isolates.run(code)).toEqual(await inNode(code));
  });
});
