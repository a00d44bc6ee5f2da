// Runs snippets in isolates of their own, in the pinned Node: `{id, code}` in, `{id, ...}` out, one JSON a line.
// A snippet is the body of an async function; its value is answered as JSON. Time is moved by the runner (prelude-entry).
// With `sync` it is the body of a plain function that answers a string, and nothing of the isolate's language is used on
// the way back: for snippets that patch it.
const { randomBytes } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { createInterface } = require('node:readline');
const ivm = require('isolated-vm');
const { GuestCrypto } = require('../../runtime/isolate/crypto/guest-crypto.ts');
const { Turns } = require('../../runtime/isolate/crypto/turns.ts');

const { core: prelude, parts } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const first = new ivm.Isolate({ memoryLimit: 64 });
const { cachedData } = first.compileScriptSync(prelude, { filename: 'prelude', produceCachedData: true });
first.dispose();

const turns = new Turns();
let lastIsolate = 0;

/** Timers that one snippet may wait for. */
const MAX_STEPS = 50_000;

const WRAP = (code) => `{
  let answer = null;
  __settled = () => answer;
  (async () => {${code}\n})().then(
    (value) => { answer = JSON.stringify({ value }); },
    (error) => { answer = JSON.stringify({ error: { name: String(error?.name), message: String(error?.message ?? error), stack: String(error?.stack) } }); },
  );
}`;

async function run(code, memoryLimit, sync) {
  const crypto = new GuestCrypto();
  const number = ++lastIsolate;
  /** Answers of the host's that wait for the guest, and whoever waits for one. */
  const replies = [];
  let pending = 0;
  let wake = () => undefined;
  const later = (id, head, body) => {
    pending += 1;
    turns.add(number, crypto.later(head, body), (reply) => {
      pending -= 1;
      replies.push([id, reply.head, reply.body?.toString('latin1') ?? '']);
      wake();
    });
  };
  const isolate = new ivm.Isolate({ memoryLimit });
  try {
    const context = isolate.createContextSync();
    context.global.setSync('__random', new ivm.Callback((bytes) => randomBytes(bytes).toString('latin1')));
    context.global.setSync('__cryptoNow', new ivm.Callback((head, body) => crypto.now(head, body)));
    context.global.setSync('__cryptoLater', new ivm.Callback(later));
    context.global.setSync('__source', new ivm.Callback((name) => parts[name]));
    isolate.compileScriptSync(prelude, { filename: 'prelude', cachedData }).runSync(context);
    // What the runner needs is taken before the snippet can patch it.
    const hidden = context.evalClosureSync(
      `const { stringify } = JSON; const test = __test; globalThis.__settled = null;
       return { step: () => test.step(), reply: (...reply) => test.reply(...reply), rest: () => stringify({ logs: test.logs, errors: test.errors, wakes: test.wakes }) };`,
      [],
      { result: { reference: true } },
    );
    const step = hidden.getSync('step', { reference: true });
    const reply = hidden.getSync('reply', { reference: true });
    const rest = hidden.getSync('rest', { reference: true });
    if (sync) {
      const value = context.evalSync(`(() => {${code}\n})()`, { timeout: 20_000 });
      return { value, ...JSON.parse(rest.applySync(undefined, [])) };
    }
    context.evalSync(WRAP(code), { timeout: 20_000 });
    const settled = context.global.getSync('__settled', { reference: true });
    let answer = settled.applySync(undefined, []);
    for (let steps = 0; answer === null && steps < MAX_STEPS; steps++) {
      if (replies.length > 0 || pending > 0) {
        if (replies.length === 0) await new Promise((resolve) => (wake = resolve));
        reply.applySync(undefined, replies.shift(), { timeout: 20_000 });
      } else if (!step.applySync(undefined, [], { timeout: 20_000 })) break;
      answer = settled.applySync(undefined, []);
    }
    if (answer === null) answer = '{"error":{"name":"Error","message":"the snippet never settles"}}';
    return { ...JSON.parse(answer), ...JSON.parse(rest.applySync(undefined, [])) };
  } finally {
    if (!isolate.isDisposed) isolate.dispose();
  }
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, code, memoryLimit = 64, sync = false } = JSON.parse(line);
  let answer;
  try {
    answer = await run(code, memoryLimit, sync);
  } catch (error) {
    answer = { error: { name: error.name, message: error.message, stack: error.stack } };
  }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
});
