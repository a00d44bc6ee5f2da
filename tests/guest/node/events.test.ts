import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { inNode } from '../../kit/in-node.ts';
import { type Isolates, startIsolates } from '../../kit/isolates.ts';

let isolates: Isolates;
beforeAll(async () => {
  isolates = await startIsolates(join(import.meta.dir, '../../kit/node-entry.ts'));
});
afterAll(() => isolates.close());

describe('node:events, as in Node', () => {
  test.each([
    [
      'emitters of functions and of classes',
      `const EventEmitter = __require('node:events');
function Old() { EventEmitter.call(this); }
__require('node:util').inherits(Old, EventEmitter);
class New extends EventEmitter {}
return [Old, New].map((Emitter) => {
  const log = [];
  const emitter = new Emitter();
  emitter.on('newListener', (name) => log.push(['new', name]));
  emitter.once('x', (...args) => log.push(args));
  emitter.on('x', function () { log.push(this === emitter); });
  emitter.prependListener('x', () => log.push('first'));
  log.push(emitter.emit('x', 1, 2), emitter.emit('x'), emitter.emit('y'), emitter.listenerCount('x'), emitter.eventNames());
  emitter.removeAllListeners('x');
  log.push(emitter.emit('x'), Emitter.super_ === EventEmitter, emitter instanceof EventEmitter);
  return log;
});`,
    ],
    [
      'errors that nobody handles, and who watches them',
      `const EventEmitter = __require('node:events');
const log = [];
const emitter = new EventEmitter();
const emit = (error) => { try { log.push(emitter.emit('error', error)); } catch (thrown) { log.push([thrown.message, thrown.code]); } };
emit(new Error('E'));
emit('text');
emitter.on(EventEmitter.errorMonitor, (error) => log.push('monitor ' + error));
emit(new Error('F'));
emitter.on('error', (error) => log.push('handler ' + error));
emit('z');
return log;`,
    ],
    [
      'once() and on()',
      `const { EventEmitter, once, on, getEventListeners, addAbortListener } = __require('node:events');
const emitter = new EventEmitter();
const later = (run) => setTimeout(run, 1);
const out = [];
later(() => emitter.emit('a', 1, 2));
out.push(await once(emitter, 'a'));
const controller = new AbortController();
later(() => controller.abort());
out.push(await once(emitter, 'a', { signal: controller.signal }).catch(({ name, code }) => [name, code]));
later(() => emitter.emit('error', new Error('q')));
out.push(await once(emitter, 'a').catch((error) => error.message));
const target = new EventTarget();
later(() => target.dispatchEvent(new Event('hi')));
out.push((await once(target, 'hi'))[0].type);
later(() => { emitter.emit('n', 1); emitter.emit('n', 2); emitter.emit('end'); });
for await (const value of on(emitter, 'n', { close: ['end'] })) out.push(value);
later(() => { emitter.emit('n', 3); emitter.emit('error', new Error('stop')); });
try { for await (const value of on(emitter, 'n')) out.push(value); } catch (error) { out.push(error.message); }
out.push(emitter.listenerCount('a'), emitter.listenerCount('n'), emitter.listenerCount('error'), getEventListeners(emitter, 'a').length);
const aborted = new AbortController();
addAbortListener(aborted.signal, () => out.push('aborted'))[Symbol.dispose]();
addAbortListener(aborted.signal, () => out.push('aborted 2'));
aborted.abort();
return out;`,
    ],
  ])('%s', async (_what, code) => {
    expect(await isolates.run(code)).toEqual(await inNode(code));
  });
});
