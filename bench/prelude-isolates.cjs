// One process of bench/prelude.ts: `bare` has no prelude, `cold` has V8's cached code of a fresh compilation, `warm` that
// of a compilation in an isolate that has already answered a request (so that what ran is in it).
const { randomBytes } = require('node:crypto');
const { readFileSync } = require('node:fs');
const ivm = require('isolated-vm');

const [, , file, mode] = process.argv;
const { core: code, parts } = JSON.parse(readFileSync(file, 'utf8'));
const COUNT = 100;
const source = new ivm.Callback((name) => parts[name]);
const random = new ivm.Callback((bytes) => randomBytes(bytes).toString('latin1'));
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const REQUEST = `{
  const { http } = __test.web;
  const request = http.makeRequest({ method: 'POST', url: 'http://h/', headers: 'content-type:application/json\\n' },
    { text: '{"a":1}', binary: false, stream: null }, new AbortController());
  request.json();
  http.readResponse(Response.json({ a: 1 }));
}`;
const LOOP = `async (count, text) => {
  const { http } = __test.web;
  for (let i = 0; i < count; i++) {
    const request = http.makeRequest({ method: 'POST', url: 'http://h/', headers: 'content-type:application/json\\n' },
      { text, binary: false, stream: null }, new AbortController());
    http.readResponse(Response.json(await request.json()));
  }
}`;

function compileOnce() {
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  if (mode === 'warm') {
    const context = isolate.createContextSync();
    context.global.setSync('__random', random);
    context.global.setSync('__source', source);
    isolate.compileScriptSync(code, { filename: 'prelude' }).runSync(context);
    context.evalSync(REQUEST);
  }
  // V8 finds the script that ran in its compilation cache, with the functions that were compiled since.
  const { cachedData } = isolate.compileScriptSync(code, { filename: 'prelude', produceCachedData: true });
  isolate.dispose();
  return cachedData;
}

function make(cachedData) {
  const start = performance.now();
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  const context = isolate.createContextSync();
  if (mode !== 'bare') {
    context.global.setSync('__random', random);
    context.global.setSync('__source', source);
    isolate.compileScriptSync(code, { filename: 'prelude', cachedData }).runSync(context);
  }
  return { isolate, context, ms: performance.now() - start };
}

async function main() {
  const cachedData = mode === 'bare' ? undefined : compileOnce();
  const before = process.memoryUsage.rss();
  const all = Array.from({ length: COUNT }, () => make(cachedData));
  const kilobytes = (process.memoryUsage.rss() - before) / COUNT / 1024;
  const parts = [`${mode}: isolate ${median(all.map(({ ms }) => ms)).toFixed(2)} ms, ${kilobytes.toFixed(0)} KB RSS`];
  if (mode !== 'bare') {
    const first = all.map(({ context }) => {
      const start = performance.now();
      context.evalSync(REQUEST);
      return performance.now() - start;
    });
    parts.push(`first request ${median(first).toFixed(2)} ms`);
    const loop = all[0].context.evalSync(LOOP, { reference: true });
    const rounds = [];
    for (let round = 0; round < 7; round++) {
      const start = performance.now();
      await loop.apply(undefined, [20_000, '{"id":1,"name":"hello"}'], { result: { promise: true } });
      rounds.push(((performance.now() - start) / 20_000) * 1000);
    }
    parts.push(`request, json, Response.json, read: ${median(rounds).toFixed(2)} us`);
  }
  console.log(parts.join('; '));
}

main();
