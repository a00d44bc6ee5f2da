import { afterAll, describe, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

describe('Blob and File, as Web IDL converts what they are made of', () => {
  test.each<[string, string, unknown]>([
    [
      'parts are converted as they come, options after them',
      `(() => { const seen = []; const part = name => ({ toString() { seen.push(name); return name } }); new Blob({ *[Symbol.iterator]() { yield part('a'); seen.push('between'); yield part('b') } }, { get type() { seen.push('type') }, get endings() { seen.push('endings') } }); return seen })()`,
      ['a', 'between', 'b', 'endings', 'type'],
    ],
    [
      'bytes are taken when all is converted',
      `await (async () => { const bytes = new Uint8Array([97]); return new Blob([bytes, { toString() { bytes[0] = 98; return 'c' } }]).text() })()`,
      'bc',
    ],
    ['any iterable object is a list of parts', `await new Blob(new String('ab')).text()`, 'ab'],
    ['lengths', `[Blob.length, File.length, Blob.prototype.slice.length]`, [0, 2, 0]],
    [
      'options have to be an object',
      `[1, 'x', true].map(o => [() => new Blob([], o), () => new File([], 'f', o)].map(f => { try { f() } catch (e) { return e.name } }))`,
      Array(3).fill(['TypeError', 'TypeError']),
    ],
    [
      'null',
      `(b => [b.slice(0, 1, null).type, b.slice(null, 1).size, b.slice(1, null).size])(new Blob(['ab']))`,
      ['null', 1, 0],
    ],
    ['halves of a byte', `[0.5, 1.5, -0.5].map(at => new Blob(['abc']).slice(at).size)`, [3, 1, 3]],
    [
      'the class of what a form gives has its name',
      `(f => { f.set('a', new Blob(['x'])); return f.get('a').constructor.name })(new FormData())`,
      'File',
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });
});

describe('FileReader', () => {
  const read = (how: string, blob: string) =>
    `await new Promise(done => { const r = new FileReader(); r.onload = () => done(r.result); r.${how.replace('BLOB', blob)} })`;

  test.each<[string, string, unknown]>([
    ['text', read('readAsText(BLOB)', `new Blob(['é'])`), 'é'],
    ['text of another encoding', read(`readAsText(BLOB, 'windows-1252')`, `new Blob([new Uint8Array([0xe9])])`), 'é'],
    [
      'the encoding that the type says',
      read('readAsText(BLOB)', `new Blob([new Uint8Array([0xe9])], { type: 'text/plain;charset=latin1' })`),
      'é',
    ],
    ['a mark says more', read(`readAsText(BLOB, 'utf-8')`, `new Blob([new Uint8Array([0xff, 0xfe, 0x41, 0])])`), 'A'],
    ['data URL', read('readAsDataURL(BLOB)', `new Blob(['abc'], { type: 'a/b' })`), 'data:a/b;base64,YWJj'],
    [
      'data URL without a type',
      read('readAsDataURL(BLOB)', `new Blob(['a'])`),
      'data:application/octet-stream;base64,YQ==',
    ],
    ['binary string', read('readAsBinaryString(BLOB)', `new Blob([new Uint8Array([0, 255])])`), '\0\xff'],
    ['bytes', `[...new Uint8Array(${read('readAsArrayBuffer(BLOB)', `new Blob(['ab'])`)})]`, [97, 98]],
    [
      'events and states in order',
      `await new Promise(done => { const r = new FileReader(); const seen = []; for (const type of ['loadstart', 'progress', 'load', 'loadend']) r['on' + type] = e => { seen.push([type, r.readyState, e.loaded, e.total, r.result]); if (type === 'loadend') done(seen) }; r.readAsText(new Blob(['ab'])) })`,
      [
        ['loadstart', 1, 0, 2, null],
        ['progress', 1, 2, 2, null],
        ['load', 2, 2, 2, 'ab'],
        ['loadend', 2, 2, 2, 'ab'],
      ],
    ],
    [
      'abort',
      `await new Promise(done => { const r = new FileReader(); const seen = []; r.onload = () => seen.push('load'); r.onabort = () => seen.push('abort', r.readyState, r.result); r.onloadend = () => seen.push('end'); r.readAsText(new Blob(['a'])); r.abort(); setTimeout(() => done(seen), 50) })`,
      ['abort', 2, null, 'end'],
    ],
    [
      'one read at a time, of a Blob',
      `(r => [() => r.readAsText('x'), () => { r.readAsText(new Blob([])); r.readAsText(new Blob([])) }].map(f => { try { f() } catch (e) { return e.name } }))(new FileReader())`,
      ['TypeError', 'InvalidStateError'],
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(`return ${code}`)).toEqual(expected);
  });
});
