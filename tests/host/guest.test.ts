import { describe, expect, test } from 'bun:test';
import type { Frame } from '../../runtime/protocol/frame.ts';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import type { Guest, InvokeRequest } from '../../src/host/guest.ts';
import { fakeGuest } from '../kit/fake-guest.ts';

// The core's end of an isolate, whatever the other end sends.

const REQUEST: InvokeRequest = { what: 'GET /', lane: 3, payload: '{"a":1}', deadlineMs: 60_000 };

const frame = (kind: number, id: number, over: Partial<Frame> = {}): Frame => ({
  kind,
  flags: 0,
  lane: 0,
  isolate: 1,
  id,
  head: '',
  body: Buffer.alloc(0),
  ...over,
});
const failure = (body: string): Partial<Frame> => ({ flags: FLAG.error, body: Buffer.from(body) });
const outcome = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => value,
    (error: unknown) => error,
  );
/** How a promise stands, once what is pending has come to rest. */
async function state(work: Promise<unknown>): Promise<'settled' | 'pending'> {
  const settled = work.then(
    () => 'settled' as const,
    () => 'settled' as const,
  );
  const rest = new Promise<'pending'>((resolve) => setImmediate(() => resolve('pending')));
  return Promise.race([settled, rest]);
}

describe('an invocation', () => {
  test('goes out with its payload, and comes back by its number', async () => {
    const { guest, sent } = fakeGuest();
    const [first, second] = [guest.invoke(REQUEST), guest.invoke({ ...REQUEST, body: 'text' })];
    expect(sent).toMatchObject([
      { kind: KIND.invoke, lane: 3, isolate: 1, id: 1, head: '{"p":{"a":1}}', body: null },
      { kind: KIND.invoke, id: 2, body: 'text' },
    ]);
    guest.receive(frame(KIND.result, 2, { head: 'h2', body: Buffer.from('b2') }));
    guest.receive(frame(KIND.result, 1, { head: 'h1' }));
    expect(await first).toMatchObject({ head: 'h1' });
    expect(await second).toMatchObject({ head: 'h2', body: Buffer.from('b2') });
    expect(guest.inFlight).toBe(0);
  });

  test('answers that nobody waits for are dropped: unknown, repeated, late', async () => {
    const { guest } = fakeGuest();
    const work = guest.invoke({ ...REQUEST, deadlineMs: 1 });
    guest.receive(frame(KIND.result, 77));
    expect(await state(work)).toBe('pending');
    guest.expire(performance.now() + 10);
    expect(await outcome(work)).toMatchObject({ code: 'plugin_deadline' });
    guest.receive(frame(KIND.result, 1, { head: 'late' }));
    guest.receive(frame(KIND.result, 1, failure('{"name":"Error","message":"late"}')));
    expect(await outcome(work)).toMatchObject({ code: 'plugin_deadline' });
  });

  const unreadable = { name: 'Error', message: 'an error that cannot be read', stack: '', code: null };
  test.each([
    [
      'whole',
      '{"name":"TypeError","message":"m","stack":"s","code":"c"}',
      { name: 'TypeError', message: 'm', stack: 's', code: 'c' },
    ],
    ['only a message', '{"message":"only that"}', { name: 'Error', message: 'only that', stack: '', code: null }],
    ['no JSON', 'not JSON', unreadable],
    ['too deep', '['.repeat(100_000), unreadable],
    ['no texts', '{"name":{},"message":[]}', unreadable],
  ])('what it threw arrives as plain texts: %s', async (_what, body, plain) => {
    const { guest } = fakeGuest();
    const work = guest.invoke(REQUEST);
    guest.receive(frame(KIND.result, 1, failure(body)));
    expect(await outcome(work)).toMatchObject({ name: 'GuestFailure', guest: plain });
  });

  test('a text without end is cut', async () => {
    const { guest } = fakeGuest();
    const work = guest.invoke(REQUEST);
    const long = 'x'.repeat(1_000_000);
    guest.receive(
      frame(KIND.result, 1, failure(JSON.stringify({ name: long, message: long, stack: long, code: long }))),
    );
    const error = (await outcome(work)) as { guest: Record<string, string> };
    for (const text of Object.values(error.guest)) expect(text.length).toBeLessThan(40_000);
  });
});

describe('deadlines', () => {
  test('are the clock’s of the core: the guest is told to stop, and the owner once', async () => {
    const late: Guest[] = [];
    const { guest, sent } = fakeGuest({ onDeadline: (of) => late.push(of) });
    const [short, alsoShort, long] = [1, 1, 60_000].map((deadlineMs) => guest.invoke({ ...REQUEST, deadlineMs }));
    guest.expire(performance.now() + 1_000);
    expect(await outcome(short as Promise<unknown>)).toMatchObject({ code: 'plugin_deadline' });
    expect(await outcome(alsoShort as Promise<unknown>)).toMatchObject({ code: 'plugin_deadline' });
    expect(await state(long as Promise<unknown>)).toBe('pending');
    expect(sent.filter(({ kind }) => kind === KIND.cancel).map(({ id }) => id)).toEqual([1, 2]);
    expect(late).toEqual([guest]);
  });

  test('a caller who has gone is no deadline: the isolate is sound', async () => {
    const late: Guest[] = [];
    const { guest, sent } = fakeGuest({ onDeadline: (of) => late.push(of) });
    let gone = false;
    const work = guest.invoke({ ...REQUEST, cancelled: () => gone });
    guest.expire(performance.now());
    expect(await state(work)).toBe('pending');
    gone = true;
    guest.expire(performance.now());
    expect(await outcome(work)).toMatchObject({ code: 'aborted' });
    expect(sent.map(({ kind }) => kind)).toEqual([KIND.invoke, KIND.cancel]);
    expect(late).toEqual([]);
  });

  test('the stream of the request ends with its call', async () => {
    const { guest, sent } = fakeGuest();
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      cancel() {
        cancelled = true;
      },
    });
    const work = guest.invoke({ ...REQUEST, stream, deadlineMs: 1 });
    expect(sent[0]?.head).toBe('{"p":{"a":1},"stream":1}');
    expect(guest.inFlight).toBe(2);
    guest.expire(performance.now() + 10);
    await outcome(work);
    expect(cancelled).toBe(true);
    expect(guest.inFlight).toBe(0);
  });
});

describe('the end of an isolate', () => {
  test.each([
    ['cpu', 'plugin_deadline'],
    ['memory', 'plugin_error'],
    ['protocol', 'plugin_error'],
    ['catastrophic', 'plugin_error'],
    ['host', 'plugin_unavailable'],
    ['disposed', 'plugin_unavailable'],
  ] as const)('%s: whoever waits hears %s, and the owner once', async (reason, code) => {
    const gone: string[] = [];
    const { guest } = fakeGuest({ onGone: (_guest, loss) => gone.push(loss.reason) });
    const [work, idle] = [guest.invoke(REQUEST), guest.idle()];
    const loss = { reason, error: null, verdict: 'bystander', detail: 'a test' } as const;
    guest.onGone(loss);
    guest.onGone(loss);
    expect(await outcome(work)).toMatchObject({ code });
    await idle;
    expect(gone).toEqual([reason]);
    expect(await outcome(guest.invoke(REQUEST))).toMatchObject({ code: 'plugin_unavailable' });
  });

  test('disposing of it tells the host, once', () => {
    const { guest, sent } = fakeGuest();
    guest.dispose();
    guest.dispose();
    expect(sent.map(({ kind }) => kind)).toEqual([KIND.dispose]);
    expect(guest.gone).toBe(true);
  });

  test('a guest that breaks the rules of streams is disposed of', () => {
    const { guest } = fakeGuest();
    guest.receive(frame(KIND.chunk, 1, { flags: FLAG.last }));
    guest.receive(frame(KIND.chunk, 1, { body: Buffer.from('more') }));
    expect(guest.gone).toBe(true);
  });
});

test('it is idle when nothing is under way any more, streams included', async () => {
  const { guest } = fakeGuest();
  const work = guest.invoke(REQUEST);
  guest.receive(frame(KIND.chunk, 9, { body: Buffer.from('a chunk') }));
  const idle = guest.idle();
  guest.receive(frame(KIND.result, 1));
  await work;
  expect(await state(idle)).toBe('pending');
  const reader = guest.streams.receive(9).getReader();
  await reader.read();
  guest.receive(frame(KIND.chunk, 9, { flags: FLAG.last }));
  await reader.read();
  await idle;
});

test('how deep a call is: the deepest chain that is under way', async () => {
  const { guest } = fakeGuest();
  expect(guest.depth).toBe(0);
  void guest.invoke(REQUEST);
  void guest.invoke({ ...REQUEST, depth: 3 });
  expect(guest.depth).toBe(3);
  guest.receive(frame(KIND.result, 2));
  expect(guest.depth).toBe(1);
});

test.each([0, 5, 9, 14, 20, 21, 22, 23, 50, 255])(
  'a frame of kind %d, which no guest sends, changes nothing',
  (kind) => {
    const { guest, sent } = fakeGuest();
    guest.receive(frame(kind, 1, { head: '{}' }));
    guest.receive(frame(KIND.credit, 1, { head: '-5' }));
    guest.receive(frame(KIND.credit, 99, { head: 'NaN' }));
    guest.receive(frame(KIND.streamAbort, 99, { head: '{' }));
    expect(sent).toEqual([]);
    expect([guest.gone, guest.inFlight]).toEqual([false, 0]);
  },
);
