import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import type { Guest } from '../../src/host/guest.ts';
import { type CoreSide, coreSide } from '../kit/core-side.ts';
import { type Forged, GREETING, type HostileHost, hostileHost } from '../kit/hostile-host.ts';

// The host process taken as hostile (ADVERSARY 24, 25, 27, 28): well-formed frames that say what is not so.

setDefaultTimeout(30_000);

const [FIRST, SECOND, PROBE, ELSEWHERE] = [1, 2, 3, 9] as const;
const REQUEST = { what: 'GET /', lane: 1, payload: 'null', deadlineMs: 60_000 };

let core: CoreSide;
let liar: HostileHost;
let first: Guest;
let second: Guest;

beforeEach(async () => {
  core = coreSide();
  core.settle(FIRST, { plugin: 'first' });
  core.settle(SECOND, { plugin: 'second', grants: ['network:example.com:443'] });
  core.settle(PROBE, { plugin: 'probe' });
  liar = await hostileHost(core.guests);
  first = await liar.load(FIRST, 'first');
  second = await liar.load(SECOND, 'second');
  await liar.load(PROBE, 'probe');
});
const end = () => liar[Symbol.asyncDispose]();

const call = (isolate: number, id: number, name: string, input: unknown): Forged => ({
  kind: KIND.call,
  isolate,
  id,
  head: JSON.stringify(name),
  body: typeof input === 'string' ? input : JSON.stringify(input),
});
const repliesTo = (isolate: number, id: number): { code?: string; value?: unknown }[] =>
  liar.received
    .filter((frame) => frame.kind === KIND.reply && frame.isolate === isolate && frame.id === id)
    .map(({ flags, head, body }) =>
      (flags & FLAG.error) === 0 ? { value: JSON.parse(body.toString()) } : { code: JSON.parse(head).code },
    );
const FETCH = { method: 'GET', url: 'https://example.com/', headers: [], redirect: 'follow', body: null };

describe('24 forged ids', () => {
  test('the plugin whose isolate a frame names is the one who is judged, whatever the frame says', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    await liar.send(
      call(FIRST, 1, 'fetch.request', FETCH),
      call(FIRST, 2, 'fetch.request', { ...FETCH, plugin: 'second', isolate: SECOND, grants: ['network'] }),
      call(SECOND, 1, 'fetch.request', FETCH),
    );
    await liar.settle(PROBE);
    await liar.settle(PROBE);
    expect(repliesTo(FIRST, 1)).toEqual([{ code: 'permission_denied' }]);
    expect(repliesTo(FIRST, 2)).toEqual([{ code: 'invalid_input' }]);
    expect(repliesTo(SECOND, 1)).toEqual([{ code: 'network_failed' }]);
    expect(core.denied).toEqual(['first "fetch.request"']);
    expect(core.handled.map(({ plugin, covered }) => [plugin, covered])).toEqual([['second', true]]);
  });

  test('what is stored as one plugin is not another’s', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    await liar.send(call(FIRST, 1, 'storage.set', { key: 'k', value: 'of the first' }));
    await liar.settle(PROBE);
    await liar.send(call(SECOND, 1, 'storage.get', { key: 'k' }));
    await liar.settle(PROBE);
    expect(repliesTo(SECOND, 1)).toEqual([{ value: { entry: null } }]);
  });

  test('isolates that the core has no record of, never had, or let go are not answered', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    second.dispose();
    const strangers = [0, SECOND, 4, ELSEWHERE, 0xffff_ffff];
    for (const isolate of strangers) {
      await liar.send(
        ...[KIND.loaded, KIND.ready, KIND.result, KIND.callAbort, KIND.credit, KIND.streamAbort].map((kind) => ({
          kind,
          isolate,
          id: 1,
        })),
        { kind: KIND.gone, isolate: isolate === SECOND ? 4 : isolate, head: '{"reason":"cpu","error":null}' },
        { kind: KIND.chunk, isolate, id: 1, flags: FLAG.body | FLAG.binary, body: 'x' },
        ...[1, 2, 3].map((id) => call(isolate, id, 'storage.set', { key: 'k', value: 1 })),
      );
    }
    await liar.settle(PROBE);
    expect(core.handled).toEqual([]);
    expect(core.gone).toEqual([{ isolate: SECOND, reason: 'disposed', verdict: 'bystander' }]);
    expect(liar.received.filter(({ isolate }) => strangers.includes(isolate) && isolate !== SECOND)).toEqual([]);
    expect(second.streams.size).toBe(0);
    expect([first.gone, second.gone]).toEqual([false, true]);
  });

  test('an isolate of another host cannot be addressed', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    core.settle(ELSEWHERE, { plugin: 'elsewhere' });
    await using honest = await hostileHost(core.guests);
    const guest = await honest.load(ELSEWHERE, 'elsewhere');
    const answer = guest.invoke(REQUEST);
    await liar.send(
      { kind: KIND.result, isolate: ELSEWHERE, id: 1, head: 'forged' },
      call(ELSEWHERE, 1, 'storage.set', { key: 'k', value: 'forged' }),
      { kind: KIND.chunk, isolate: ELSEWHERE, id: 1, body: 'x'.repeat(CHANNEL_LIMITS.streamWindowBytes + 1) },
      { kind: KIND.stuck, isolate: ELSEWHERE },
      { kind: KIND.gone, isolate: ELSEWHERE, head: '{"reason":"catastrophic","error":null}' },
    );
    await liar.settle(PROBE);
    await honest.send({ kind: KIND.result, isolate: ELSEWHERE, id: 1, head: 'its own' });
    expect((await answer).head).toBe('its own');
    await liar.send({ kind: KIND.gone, isolate: FIRST, head: '{"reason":"catastrophic","error":null}' });
    expect(await liar.exit).toContain('V8 gave an isolate up');
    expect(guest.gone).toBe(false);
    expect(core.handled).toEqual([]);
    expect(core.gone.map(({ isolate }) => isolate)).toEqual([FIRST, SECOND, PROBE]);
  });
});

describe('25 ids of answers', () => {
  test('unknown and repeated ones are dropped: one request, one answer, nothing is kept', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    const answers = [first.invoke(REQUEST), first.invoke(REQUEST)];
    await liar.send(
      ...[0, 3, 77, 0xffff_ffff].map((id) => ({ kind: KIND.result, isolate: FIRST, id, head: 'unknown' })),
      { kind: KIND.result, isolate: SECOND, id: 1, head: 'of another isolate' },
      { kind: KIND.result, isolate: FIRST, id: 2, head: 'second' },
      { kind: KIND.result, isolate: FIRST, id: 2, head: 'repeated' },
      { kind: KIND.result, isolate: FIRST, id: 2, flags: FLAG.error, body: '{"message":"repeated"}' },
      { kind: KIND.result, isolate: FIRST, id: 1, head: 'first' },
      { kind: KIND.result, isolate: FIRST, id: 1, head: 'repeated' },
    );
    expect((await Promise.all(answers)).map(({ head }) => head)).toEqual(['first', 'second']);
    await liar.settle(PROBE);
    expect([first.inFlight, second.inFlight]).toEqual([0, 0]);
  });

  test('a call that is repeated while it is under way is one call', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    await liar.send(...Array.from({ length: 1_000 }, () => call(SECOND, 5, 'fetch.request', FETCH)));
    await liar.settle(PROBE);
    await liar.settle(PROBE);
    const runs = core.handled.length;
    expect(runs).toBeLessThan(20);
    expect(repliesTo(SECOND, 5)).toHaveLength(runs);
  });

  test('what has an answer cannot be asked for without one, past all counting', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    const tell = { ...call(FIRST, 0, 'storage.set', { key: 'k', value: 1 }), kind: KIND.send };
    await liar.send(tell, { ...call(FIRST, 0, 'log.write', { level: 'info', message: 'hello' }), kind: KIND.send });
    await liar.settle(PROBE);
    expect(core.handled.map(({ call: name }) => name)).toEqual(['log.write']);
  });

  test('aborts of calls that are none, and replies, which only the core gives, change nothing', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    const kinds = [KIND.callAbort, KIND.reply, KIND.invoke, KIND.cancel, KIND.load, KIND.boot, KIND.dispose, KIND.wake];
    await liar.send(
      ...[...kinds, 0, 99, 255].flatMap((kind) => [0, 1, 0xffff_ffff].map((id) => ({ kind, isolate: FIRST, id }))),
      { ...GREETING, isolate: FIRST },
      GREETING,
    );
    await liar.settle(PROBE);
    expect(core.gone).toEqual([]);
    expect(liar.host.size).toBe(3);
  });
});

describe('27 types that no schema has', () => {
  const bad: [string, Forged][] = [
    ['a text for a number', { kind: KIND.pong, head: '{"rss":"5","isolates":[]}' }],
    ['NaN', { kind: KIND.pong, head: '{"rss":NaN,"isolates":[]}' }],
    ['a number that is infinite', { kind: KIND.pong, head: '{"rss":1e400,"isolates":[]}' }],
    ['a list for an object', { kind: KIND.pong, head: '[]' }],
    ['a prototype for a member', { kind: KIND.pong, head: '{"__proto__":{"rss":1,"isolates":[]}}' }],
    ['a tuple that is too short', { kind: KIND.pong, head: '{"rss":1,"isolates":[[1]]}' }],
    ['28 200,000 levels', { kind: KIND.pong, head: `{"rss":1,"isolates":${'['.repeat(200_000)}` }],
    ['no JSON', { kind: KIND.pong, head: '{"rss":1' }],
    ['nothing', { kind: KIND.pong }],
  ];
  test.each(bad)('%s in a heartbeat: the host is given up', async (_what, frame) => {
    await using _ = { [Symbol.asyncDispose]: end };
    liar.host.ping();
    await liar.send({ ...frame, id: 1 });
    expect(await liar.exit).toContain('heartbeat that cannot be read');
    expect(core.gone.map(({ verdict }) => verdict)).toEqual(['bystander', 'bystander', 'bystander']);
  });

  test.each([
    ['no reason', '{}'],
    ['a reason that is none', '{"reason":"host","error":null}'],
    ['a prototype', '{"__proto__":{"reason":"cpu","error":null}}'],
    ['28 200,000 levels', `{"reason":"cpu","error":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
    ['an error of no texts', '{"reason":"cpu","error":{"name":{},"message":5,"stack":[]}}'],
    ['bytes that are no UTF-8', '\udc00'],
  ])('the end of an isolate with %s: that isolate is gone, and no other', async (_what, head) => {
    await using _ = { [Symbol.asyncDispose]: end };
    await liar.send({ kind: KIND.gone, isolate: FIRST, head });
    await liar.settle(PROBE);
    expect(core.gone).toMatchObject([{ isolate: FIRST }]);
    expect(second.gone).toBe(false);
  });

  test('such an input is refused', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    const inputs: [string, string][] = [
      ['a number for a text', '{"key":5}'],
      ['one key too many', '{"key":"k","plugin":"second"}'],
      ['the prototype of the input', '{"__proto__":{"key":"k"}}'],
      ['a constructor', '{"constructor":{"prototype":{"key":"k"}}}'],
      ['a lone surrogate', '{"key":"\\ud800"}'],
      ['NUL', '{"key":"\\u0000"}'],
      ['NaN', '{"key":NaN}'],
      ['a text that is no JSON', "{'key':'k'}"],
      ['a comment', '{"key":"k"/**/}'],
      ['something after it', '{"key":"k"}{}'],
      ['a key of 2,000 chars', `{"key":"${'k'.repeat(2_000)}"}`],
      ['28 200,000 levels', `{"key":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
      ['28 200,000 levels of objects, not closed', '{"a":'.repeat(200_000)],
    ];
    await liar.send(...inputs.map(([, input], id) => call(FIRST, id, 'storage.get', input)));
    await liar.settle(PROBE);
    const answers = inputs.map(([what], id) => [what, repliesTo(FIRST, id)[0]?.code]);
    expect(answers).toEqual(inputs.map(([what]) => [what, 'invalid_input']));
    expect(core.handled.filter(({ call: name }) => name !== 'storage.get')).toEqual([]);
  });

  test('of a key that is there twice the last is taken, by the check and by the handler alike', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    await liar.send(
      call(FIRST, 1, 'storage.set', '{"key":"a","value":1,"key":"b"}'),
      call(FIRST, 2, 'fetch.request', `{"url":"https://allowed.example/",${JSON.stringify(FETCH).slice(1)}`),
    );
    await liar.send(call(FIRST, 3, 'storage.list', {}));
    await liar.settle(PROBE);
    expect(repliesTo(FIRST, 3)).toMatchObject([{ value: { entries: [{ key: 'b' }] } }]);
    expect(repliesTo(FIRST, 2)).toEqual([{ code: 'permission_denied' }]);
  });

  test('bytes that are no UTF-8 in a name are no call, and in an input no value', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    await liar.send(
      { kind: KIND.call, isolate: FIRST, id: 1, head: '"storage.get\udc00"', body: '{"key":"k"}' },
      { kind: KIND.call, isolate: FIRST, id: 2, head: '"storage.get"', body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) },
      { kind: KIND.call, isolate: FIRST, id: 3, head: ' "storage.get"', body: '{"key":"k"}' },
      { kind: KIND.call, isolate: FIRST, id: 4, head: '"storage\\u002eget"', body: '{"key":"k"}' },
      { kind: KIND.call, isolate: FIRST, id: 5, head: 'x'.repeat(1_000_000), body: '{}' },
    );
    await liar.settle(PROBE);
    expect([1, 2, 3, 4, 5].map((id) => repliesTo(FIRST, id)[0]?.code)).toEqual([
      'unknown_call',
      'invalid_input',
      'unknown_call',
      'unknown_call',
      'unknown_call',
    ]);
    expect(liar.received.every(({ head }) => head.length < 1_000)).toBe(true);
  });

  test('a lie about CPU and memory is no number that others would see as infinite or negative', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    const stats = `[[${FIRST},-5,-5,true],[${FIRST},-1e308,-1,false],[77,1,1,true]]`;
    liar.host.ping();
    await liar.send({ kind: KIND.pong, id: 1, head: `{"rss":1,"isolates":${stats},"extra":{"__proto__":{"rss":2}}}` });
    await liar.settle(PROBE);
    expect([first.cpuMs, first.heapBytes]).toEqual([0, 0]);
  });
});

describe('frames that nobody asked for, in masses', () => {
  let before: number;
  beforeAll(() => {
    before = process.memoryUsage.rss();
  });
  afterAll(() => {
    Bun.gc(true);
    expect(process.memoryUsage.rss() - before).toBeLessThan(400 * 1024 * 1024);
  });

  const pong = '{"rss":1,"isolates":[[1,1,1,false],[2,1,1,false]]}';
  test.each([
    ['heartbeats', { kind: KIND.pong, head: pong }],
    ['ends of isolates that are none', { kind: KIND.gone, isolate: 77, head: '{"reason":"cpu","error":null}' }],
    ['loads that were not asked for', { kind: KIND.loaded, isolate: FIRST }],
    ['results of nothing', { kind: KIND.result, isolate: FIRST, id: 5, head: 'x'.repeat(100) }],
    ['credit for streams that are none', { kind: KIND.credit, isolate: FIRST, id: 5, head: '1' }],
    ['aborts of streams that are none', { kind: KIND.streamAbort, isolate: FIRST, id: 5 }],
    ['aborts of calls that are none', { kind: KIND.callAbort, isolate: FIRST, id: 5 }],
  ])('%s', async (_what, frame) => {
    await using _ = { [Symbol.asyncDispose]: end };
    const many = Array.from({ length: 20_000 }, () => frame);
    await liar.send(...many);
    await liar.settle(PROBE);
    expect([first.gone, first.inFlight, second.inFlight]).toEqual([false, 0, 0]);
    expect(core.gone).toEqual([]);
  });

  test('calls that are refused: each is answered, nothing stays under way', async () => {
    await using _ = { [Symbol.asyncDispose]: end };
    await liar.send(...Array.from({ length: 5_000 }, (_none, id) => call(FIRST, id, 'nothing.there', {})));
    await liar.settle(PROBE);
    expect(liar.received.filter(({ isolate, kind }) => isolate === FIRST && kind === KIND.reply)).toHaveLength(5_000);
    expect(core.answerer.underWay(first)).toBe(0);
  });
});
