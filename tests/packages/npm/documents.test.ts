import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { gunzipSync, gzipSync, inflateRawSync } from 'node:zlib';
import { extractText, getDocumentProxy } from 'unpdf';
import { installNpmPlugin, type NpmPlugin, pluginSource } from '../../kit/npm-plugin.ts';
import { type RunningCore, startCore } from '../../kit/start-core.ts';

// Packages that read and write documents: templates, markdown, CSV, calendars, PDF, archives.

setDefaultTimeout(60_000);

let core: RunningCore;
beforeAll(async () => {
  core = await startCore();
});
afterAll(async () => {
  await core?.stop();
});

async function plugin(file: string, ...packages: string[]): Promise<NpmPlugin> {
  return installNpmPlugin(core, `npm-${file.slice(0, -3)}`, { packages, source: await pluginSource(file) });
}

test('handlebars compiles templates, marked renders GitHub markdown', async () => {
  const text = await plugin('text.ts', 'handlebars', 'marked');
  const invoice = {
    paid: false,
    customer: '<Ada & Co>',
    raw: '<b>',
    currency: 'EUR',
    lines: [
      { name: "Eve's", cents: 123456 },
      { name: 'x', cents: 5 },
    ],
  };
  expect(await text.ask('/invoice', invoice)).toEqual({
    text: 'Due &lt;Ada &amp; Co&gt; <b>\n0 Eve&#x27;s: 1.234,56\u00a0€\n1 x: 0,05\u00a0€\n',
  });
  expect(await text.ask('/invoice', { paid: true, customer: 'x', lines: [] })).toEqual({ text: 'Paid x \nnothing\n' });
  // Names that would reach the template's own prototype stay empty.
  expect(
    await text.ask('/invoice', { customer: { constructor: 'x' }, lines: [{ name: 'n', cents: 0 }], currency: 'USD' }),
  ).toEqual({
    text: 'Due [object Object] \n0 n: 0,00\u00a0$\n',
  });
  const markdown = '# A *b*\n\n| a | b |\n|---|--:|\n| 1 | `2` |\n\n- [x] done\n\n~~old~~ https://a.example <i>raw</i>';
  expect(await text.ask('/markdown', markdown)).toEqual({
    html: [
      '<h1 class="h">A *b*</h1><table>\n<thead>\n<tr>\n<th>a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n<tbody><tr>',
      '<td>1</td>\n<td align="right"><code>2</code></td>\n</tr>\n</tbody></table>\n<ul>',
      '<li><input checked="" disabled="" type="checkbox"> done</li>\n</ul>',
      '<p><del>old</del> <a href="https://a.example">https://a.example</a> <i>raw</i></p>\n',
    ].join('\n'),
  });
});

test('papaparse reads and writes CSV', async () => {
  const csv = await plugin('csv.ts', 'papaparse');
  expect(await csv.ask('/parse', 'name;seats;note\n"Ada; ""L""";3;"two\nlines"\n\nBob;1,5;\nEve\n')).toEqual({
    data: [
      { name: 'Ada; "L"', seats: 3, note: 'two\nlines' },
      { name: 'Bob', seats: '1,5', note: null },
      { name: 'Eve' },
    ],
    errors: [['TooFewFields', 2]],
    fields: ['name', 'seats', 'note'],
    delimiter: ';',
  });
  const rows = Array.from({ length: 20_000 }, (_, i) => `row ${i},${i}`).join('\r\n');
  expect(await csv.ask('/sum', rows)).toEqual({ sum: 199_990_000, rows: 20_000 });
  expect(
    await csv.ask('/write', [
      { a: 'x;y', b: '"q"' },
      { a: 1, b: null },
    ]),
  ).toEqual({
    csv: 'a;b\r\n"x;y";"""q"""\r\n1;',
  });
});

test('ical.js expands a series over a change of the clocks, and writes folded lines', async () => {
  const calendar = await plugin('calendar.ts', 'ical.js');
  const vcalendar = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//x//y//EN',
    'BEGIN:VTIMEZONE',
    'TZID:Europe/Berlin',
    'BEGIN:DAYLIGHT',
    'TZOFFSETFROM:+0100',
    'TZOFFSETTO:+0200',
    'DTSTART:19700329T020000',
    'RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3',
    'END:DAYLIGHT',
    'BEGIN:STANDARD',
    'TZOFFSETFROM:+0200',
    'TZOFFSETTO:+0100',
    'DTSTART:19701025T030000',
    'RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10',
    'END:STANDARD',
    'END:VTIMEZONE',
    'BEGIN:VEVENT',
    'UID:1',
    'DTSTAMP:20261001T000000Z',
    'SUMMARY:Stand-up\\, all',
    'DTSTART;TZID=Europe/Berlin:20261023T093000',
    'DURATION:PT45M',
    'RRULE:FREQ=WEEKLY;COUNT=6;BYDAY=MO,FR',
    'EXDATE;TZID=Europe/Berlin:20261030T093000',
    'END:VEVENT',
    'END:VCALENDAR',
  ].join('\r\n');
  expect(await calendar.ask('/occurrences', vcalendar)).toEqual({
    summary: 'Stand-up, all',
    minutes: 45,
    starts: [
      '2026-10-23T07:30:00.000Z',
      '2026-10-26T08:30:00.000Z',
      '2026-11-02T08:30:00.000Z',
      '2026-11-06T08:30:00.000Z',
      '2026-11-09T08:30:00.000Z',
    ],
  });
  const written: string = await calendar.ask('/write');
  const lines = written.split('\r\n');
  expect(lines.every((line) => Buffer.byteLength(line) <= 75)).toBe(true);
  const unfolded = written.replaceAll('\r\n ', '').split('\r\n');
  expect(unfolded).toContain(`SUMMARY:Session\\; with\\, "marks" and ${'a long line '.repeat(8).trim()}`);
  expect(unfolded).toContain('DTSTART:20261121T090000Z');
  expect(unfolded).toContain('DTEND:20261121T103000Z');
});

const RED_DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

test('pdf-lib makes a document that another reader reads, and reads it again', async () => {
  const pdf = await plugin('pdf.ts', 'pdf-lib');
  const lines = ['Workspace hours: 120', 'Storage: 40 GB', 'Total: 17.30 EUR'];
  const answer = await fetch(`${pdf.url}/invoice`, {
    method: 'POST',
    body: JSON.stringify({ title: 'Invoice 2026-11', lines, logo: RED_DOT }),
  });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/pdf']);
  const bytes = await answer.bytes();
  expect(Buffer.from(bytes.subarray(0, 7)).toString()).toBe('%PDF-1.');

  const read = await fetch(`${pdf.url}/read`, { method: 'POST', body: bytes });
  expect(await read.json()).toEqual({
    pages: [
      { width: 595, height: 842 },
      { width: 842, height: 595 },
    ],
    title: 'Invoice 2026-11',
    fields: ['approval'],
  });
  // pdf.js takes the bytes for its own.
  const document = await getDocumentProxy(bytes.slice());
  const { text, totalPages } = await extractText(document);
  expect(totalPages).toBe(2);
  expect(text[0]).toBe('Invoice 2026-11');
  expect(text[1]?.split('\n').slice(0, 3)).toEqual(lines);
  const { info } = await document.getMetadata();
  expect(info).toMatchObject({ Author: 'StreamSpace', CreationDate: 'D:20261121090000Z' });
});

test('fflate packs what zlib unpacks, and the other way round', async () => {
  const archives = await plugin('archives.ts', 'fflate');
  const send = async (path: string, body: BodyInit) => {
    const answer = await fetch(archives.url + path, { method: 'POST', body });
    expect(answer.status).toBe(200);
    return answer.bytes();
  };
  const text = new TextEncoder().encode('streamspace '.repeat(50_000));
  const packed = await send('/gzip', text);
  expect(packed.length).toBeLessThan(text.length / 50);
  expect(Buffer.from(text).equals(gunzipSync(packed))).toBe(true);
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  expect(await send('/gunzip', new Blob([gzipSync(noise)]).stream())).toEqual(noise);

  const files = { 'a.txt': 'hello '.repeat(100), 'ü/b.txt': 'wörld' };
  const zip = await send('/zip', JSON.stringify({ files }));
  expect(firstEntry(zip)).toEqual({ name: 'a.txt', text: files['a.txt'] });
  expect(await archives.ask('/unzip', zip)).toEqual(files);
});

/** The first file of a ZIP archive (APPNOTE 4.3.7), read with zlib. */
function firstEntry(zip: Uint8Array): { name: string; text: string } {
  const view = new DataView(zip.buffer, zip.byteOffset);
  expect(view.getUint32(0, true)).toBe(0x04034b50);
  const packedSize = view.getUint32(18, true);
  const content = 30 + view.getUint16(26, true) + view.getUint16(28, true);
  const text = inflateRawSync(zip.subarray(content, content + packedSize));
  expect(view.getUint32(14, true)).toBe(Bun.hash.crc32(text));
  return { name: Buffer.from(zip.subarray(30, 30 + view.getUint16(26, true))).toString(), text: text.toString() };
}
