import ivm from 'isolated-vm';
import { BUILT_IN_HANDLER, FLAG, KIND, LANE } from '../protocol/messages.ts';

/** The prelude, with V8's cached code of it, that this process made itself. */
export interface Prelude {
  readonly code: string;
  /** What guests evaluate at first use, by name. */
  readonly parts: Readonly<Record<string, string>>;
  readonly cachedData: ivm.ExternalCopy<ArrayBuffer> | undefined;
}

/** What the prelude's boot answers. */
export interface BootParts {
  enter: (heads: string, ...bodies: string[]) => string;
  drain: (again?: boolean) => string;
  define: (factory: unknown, loadInfo: string) => string | undefined;
}

/**
 * What a guest and the host both see: whether the guest's mailbox is not empty (runtime/guest/mailbox.ts), and whether it
 * listens for rejections that nobody handles.
 */
export function sharedFlag(): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(2));
}

/** Gives a guest the text of a part. */
export function sourceOf(parts: Prelude['parts']): ivm.Callback {
  return new ivm.Callback((name: unknown) => {
    const text = typeof name === 'string' && Object.hasOwn(parts, name) ? parts[name] : undefined;
    if (text === undefined) throw new Error('there is no such part');
    return text;
  });
}

/** How the prelude is called in stacks; V8's cached code is bound to it. */
export const PRELUDE_FILE = 'streamspace:prelude';

/** The script's value is the prelude's `boot`, which it leaves in the global scope; a plugin never sees it there. */
const TAKE_BOOT = '\n;(() => { const { boot } = globalThis; delete globalThis.boot; return boot; })()';

/** A plugin that does what most do: V8's cache holds what ran, so that the others need not compile it. */
const WARM_UP_PLUGIN = `(module) => {
  module.exports = {
    onLoad({ api, config, events, log, plugins, scheduler, secrets, storage }) {
      api.get('/', () => ({}), { auth: 'public' });
      api.post('/:id', async (request, ctx) => ctx.json({ ...(await request.json()), ...ctx.params }, 201), {
        rateLimit: { max: 1, window: '1m' },
      });
      events.on('a.b', () => undefined);
      scheduler.schedule('0 0 * * *', () => undefined, { name: 'nightly' });
      plugins.expose({ method: () => undefined });
      void storage.get('key');
      void storage.set('key', 1);
      void storage.increment('key');
      void secrets.get('key');
      log.info('loaded', { config, at: 1 });
    },
  };
}`;
/** Calls that it makes at most; each gets an answer that fits all. */
const WARM_UP_CALLS = 12;
const WARM_UP_ANSWER = JSON.stringify({ id: 1, entry: null, version: 1, value: 1, names: [], deleted: true });

/**
 * Compiles the prelude in an isolate of its own, for the cached code that all others start from. It is booted there and
 * runs a plugin first: V8's cache then holds what ran, not only what the parser took for eager.
 *
 * @param text what src/host/prelude-build.ts made
 */
export function compilePrelude(text: string): Prelude {
  const { core, parts } = JSON.parse(text) as { core: string; parts: Record<string, string> };
  const code = core + TAKE_BOOT;
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  const context = isolate.createContextSync();
  const filename = PRELUDE_FILE;
  const boot = isolate.compileScriptSync(code, { filename }).runSync(context, { reference: true });
  const random = new ivm.Callback((bytes: number) => '\u0000'.repeat(bytes));
  const info = JSON.stringify({ name: 'warm-up', version: '0.0.0', config: {} });
  const filled = new ivm.ExternalCopy(sharedFlag()).copyInto();
  const cryptoNow = new ivm.Callback(() => '{}\n');
  const booted = boot.applySync(undefined, [random, filled, sourceOf(parts), cryptoNow], {
    result: { reference: true },
  }) as ivm.Reference<BootParts>;
  const enter = booted.getSync('enter', { reference: true });
  const drain = booted.getSync('drain', { reference: true });
  const deliver = (messages: readonly unknown[], ...bodies: string[]): void => {
    enter.applySync(undefined, [JSON.stringify(messages), ...bodies]);
    drain.applySync(undefined, []);
  };

  const factory = isolate.compileScriptSync(WARM_UP_PLUGIN).runSync(context, { reference: true });
  booted.getSync('define', { reference: true }).applySync(undefined, [factory.derefInto(), info]);
  deliver([[KIND.invoke, 1, BUILT_IN_HANDLER.load, 0, { p: null }]]);
  const calls = Array.from({ length: WARM_UP_CALLS }, (_, at) => at + 1);
  deliver(
    calls.map((call) => [KIND.reply, call, LANE.reply, FLAG.body, null]),
    ...calls.map(() => WARM_UP_ANSWER),
  );
  const request = { u: 'http://localhost/1', h: 'content-type:application/json\n', p: { id: '1' }, user: null };
  deliver([[KIND.invoke, 2, 1, 0, { p: { ...request, m: 'GET' } }]]);
  deliver([[KIND.invoke, 3, 2, FLAG.body, { p: { ...request, m: 'POST' } }]], '{"a":1}');

  const script: ivm.Script & ivm.CachedDataResult = isolate.compileScriptSync(code, {
    filename,
    produceCachedData: true,
  });
  const { cachedData } = script;
  isolate.dispose();
  return { code, parts, cachedData };
}
