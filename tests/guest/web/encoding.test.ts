import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

test.each<[string, string, unknown]>([
  [
    'encode',
    `[...new TextEncoder().encode('aé€😀\\ud800')]`,
    [97, 195, 169, 226, 130, 172, 240, 159, 152, 128, 239, 191, 189],
  ],
  ['encode of nothing', `[new TextEncoder().encode().length, new TextEncoder().encoding]`, [0, 'utf-8']],
  [
    'encodeInto stops before what does not fit',
    `(b => [new TextEncoder().encodeInto('aé€', b), [...b]])(new Uint8Array(4))`,
    [{ read: 2, written: 3 }, [97, 195, 169, 0]],
  ],
  ['decode', `new TextDecoder().decode(new Uint8Array([97, 195, 169, 0xff]))`, 'aé\ufffd'],
  [
    'the mark is dropped or kept',
    `[new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])), new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65]))]`,
    ['A', '\ufeffA'],
  ],
  [
    'fatal',
    `(() => { try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xc0, 0x80])) } catch (e) { return e.name } })()`,
    'TypeError',
  ],
  [
    'stream',
    `(d => [d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }), d.decode(new Uint8Array([0xac]), { stream: true }), d.decode(new Uint8Array([0xe2])), d.decode(new Uint8Array([65]))])(new TextDecoder())`,
    ['', '€', '\ufffd', 'A'],
  ],
  [
    'buffers and views',
    `[new TextDecoder().decode(new Uint8Array([65, 66, 67]).subarray(1)), new TextDecoder().decode(new Uint8Array([65]).buffer), new TextDecoder().decode(new DataView(new Uint8Array([66]).buffer))]`,
    ['BC', 'A', 'B'],
  ],
  [
    'labels',
    `['UTF8', ' utf-16 ', 'latin1', 'iso-8859-2'].map(l => new TextDecoder(l).encoding)`,
    ['utf-8', 'utf-16le', 'windows-1252', 'iso-8859-2'],
  ],
  ['single bytes', `new TextDecoder('windows-1252').decode(new Uint8Array([0x80, 0xe9]))`, '€é'],
  ['UTF-16', `new TextDecoder('utf-16be').decode(new Uint8Array([0, 65, 0xd8, 0x3d, 0xde, 0]))`, 'A😀'],
  [
    'multi-byte encodings, also in a stream',
    `[new TextDecoder('shift_jis').decode(new Uint8Array([0x82, 0xa0])), new TextDecoder('gbk').decode(new Uint8Array([0xc4, 0xe3])), (d => d.decode(new Uint8Array([0xb0]), { stream: true }) + d.decode(new Uint8Array([0xa1])))(new TextDecoder('euc-kr'))]`,
    ['あ', '你', '가'],
  ],
  [
    'labels that are not known',
    `['x-nope', 'replacement'].map(l => { try { new TextDecoder(l) } catch (e) { return e.name } })`,
    Array(2).fill('RangeError'),
  ],
  [
    'streams',
    `await (async () => { let text = ''; for await (const part of new Response('aé').body.pipeThrough(new TextDecoderStream())) text += part; return text })()`,
    'aé',
  ],
])('%s', async (_, code, expected) => {
  expect(await run(`return ${code}`)).toEqual(expected);
});
