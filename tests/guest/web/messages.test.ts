import { afterAll, expect, test } from 'bun:test';
import { startIsolates } from '../../kit/isolates.ts';

const isolates = await startIsolates();
afterAll(() => isolates.close());
const { run } = isolates;

const HELPERS = `
  const { port1, port2 } = new MessageChannel();
  const next = (port) => new Promise((done) => { port.onmessage = done });
  const rest = () => new Promise((done) => setTimeout(done, 10));
  const refused = (act) => { try { act(); return 'done' } catch (e) { return e.name } };`;

test.each<[string, string, unknown]>([
  [
    'a copy is delivered as a task, in order',
    `const seen = []; port2.onmessage = ({ data }) => { seen.push(data.n); queueMicrotask(() => seen.push('micro')) };
     const sent = { n: 1 }; port1.postMessage(sent); sent.n = 9; port1.postMessage({ n: 2 }); seen.push('sync'); await rest(); return seen`,
    ['sync', 1, 'micro', 2, 'micro'],
  ],
  [
    'what the event says',
    `port1.postMessage('x'); const e = await next(port2);
     return [e.type, e.data, e.origin, e.lastEventId, e.source, e.ports.length, Object.isFrozen(e.ports), e.target === port2, e instanceof MessageEvent]`,
    ['message', 'x', '', '', null, 0, true, true, true],
  ],
  [
    'listeners wait for start, the handler does not',
    `const seen = []; port2.addEventListener('message', ({ data }) => seen.push(data)); port1.postMessage(1); await rest();
     const before = seen.length; port2.start(); await rest(); return [before, seen]`,
    [0, [1]],
  ],
  [
    'a port that was never started keeps its messages from no other',
    `port1.postMessage('kept'); const other = new MessageChannel(); other.port1.postMessage('other'); return (await next(other.port2)).data`,
    'other',
  ],
  [
    'a buffer is moved',
    `const bytes = new Uint8Array([1, 2]); port1.postMessage(bytes, [bytes.buffer]); const { data } = await next(port2); return [bytes.length, [...data]]`,
    [0, [1, 2]],
  ],
  [
    'a port is moved, with what it has not delivered',
    `const inner = new MessageChannel(); inner.port1.postMessage('early'); port1.postMessage({ p: inner.port2 }, { transfer: [inner.port2] });
     const { data, ports } = await next(port2); const got = (await next(data.p)).data;
     inner.port2.postMessage('nobody'); return [data.p === ports[0], data.p !== inner.port2, got]`,
    [true, true, 'early'],
  ],
  [
    'a moved port answers',
    `const moved = structuredClone(port2, { transfer: [port2] }); moved.postMessage('hello'); return (await next(port1)).data`,
    'hello',
  ],
  [
    'a port cannot go through itself, nor twice, nor uncopied',
    `const other = new MessageChannel().port1; const gone = structuredClone(other, { transfer: [other] });
     return [refused(() => port1.postMessage(1, [port1])), refused(() => port2.postMessage(other, [other])), refused(() => port1.postMessage(gone)), refused(() => structuredClone(0, { transfer: [gone, gone] }))]`,
    ['DataCloneError', 'DataCloneError', 'DataCloneError', 'DataCloneError'],
  ],
  [
    'what cannot be copied is refused where it is sent, and moves nothing',
    `const b = new ArrayBuffer(4); const p = new MessageChannel().port1;
     return [refused(() => port1.postMessage({ f() {} }, [b, p])), b.byteLength, refused(() => structuredClone(p, { transfer: [p] }))]`,
    ['DataCloneError', 4, 'done'],
  ],
  [
    'closing tells the other end, after what was sent before',
    `const seen = []; port2.onmessage = ({ data }) => seen.push(data); port2.onclose = () => seen.push('closed');
     port1.postMessage(1); port1.close(); port1.postMessage(2); port2.postMessage(3); await rest(); return seen`,
    [1, 'closed'],
  ],
  [
    'its own messages end with a closed port',
    `const seen = []; port2.onmessage = ({ data }) => seen.push(data); port1.postMessage(1); port2.close(); await rest(); return seen`,
    [],
  ],
  [
    'handlers are objects or null',
    `port1.onmessage = 5; const first = port1.onmessage; const f = () => {}; port1.onmessage = f; const second = port1.onmessage === f; port1.onmessage = null; return [first, second, port1.onmessage]`,
    [null, true, null],
  ],
  [
    'classes are made as the standard says',
    `return [refused(() => new MessagePort()), refused(() => MessageChannel()), refused(() => new MessageEvent('x', { source: {} })), refused(() => new MessageEvent('x', { ports: [1] })),
      new MessageEvent('x', { data: 5, origin: 'o', ports: [port1] }).ports[0] === port1, String(port1), port1 instanceof EventTarget, refused(() => port1.postMessage())]`,
    ['TypeError', 'TypeError', 'TypeError', 'TypeError', true, '[object MessagePort]', true, 'TypeError'],
  ],
])('%s', async (_, code, expected) => {
  expect(await run(`${HELPERS} ${code}`)).toEqual(expected);
});

test('a flood of messages asks for one timer at a time', async () => {
  const code = `const { port1, port2 } = new MessageChannel(); let got = 0; port2.onmessage = () => { got++ };
    for (let i = 0; i < 20_000; i++) port1.postMessage(i);
    const waiting = __test.web.timers.count(); while (got < 20_000) await new Promise((done) => setTimeout(done, 1)); return [waiting, got]`;
  expect(await run(code)).toEqual([1, 20_000]);
});

test('an error of a handler is reported, and the next message comes', async () => {
  const code = `const { port1, port2 } = new MessageChannel(); const seen = [];
    port2.onmessage = ({ data }) => { seen.push(data); if (data === 1) throw new Error('of the handler') };
    port1.postMessage(1); port1.postMessage(2); await new Promise((done) => setTimeout(done, 10)); return seen`;
  const { value, errors } = await isolates.tell(code);
  expect([value, errors]).toEqual([[1, 2], ['Error: of the handler']]);
});
