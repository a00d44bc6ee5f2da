import { createApi } from '../../sandbox-apis/api/guest.ts';
import { createBudget } from '../../sandbox-apis/budget/guest.ts';
import { createConfig } from '../../sandbox-apis/config/guest.ts';
import { type ConnectWeb, createConnect } from '../../sandbox-apis/connect/guest.ts';
import type { DatabaseApi } from '../../sandbox-apis/database/guest.ts';
import { createEvents } from '../../sandbox-apis/events/guest.ts';
import { EVENT_HOOKS } from '../../sandbox-apis/events/hooks.ts';
import { createFetch } from '../../sandbox-apis/fetch/guest.ts';
import type { FilesApi } from '../../sandbox-apis/files/guest.ts';
import { createLog } from '../../sandbox-apis/log/guest.ts';
import { createPlugins } from '../../sandbox-apis/plugins/guest.ts';
import { createScheduler } from '../../sandbox-apis/scheduler/guest.ts';
import { createSecrets } from '../../sandbox-apis/secrets/guest.ts';
import type { ServicesApi } from '../../sandbox-apis/services/guest.ts';
import { createStorage } from '../../sandbox-apis/storage/guest.ts';
import { BUILT_IN_HANDLER, FLAG, KIND } from '../protocol/messages.ts';
import { builtIn, createHost, onCrypto, onUncaught, onWake, receive, report, settleLoad } from './bridge.ts';
import { createCryptoLine } from './crypto-line.ts';
import { DatabaseError, PermissionError, QuotaError, StreamSpaceError, toGuestError } from './errors.ts';
import {
  apply,
  ceil,
  defineProperty,
  freeze,
  hasOwn,
  isArray,
  max,
  parse,
  stringify,
  toISOString,
} from './intrinsics.ts';
import { drain, listening, post, shareMailbox } from './mailbox.ts';
import { createRequire } from './require.ts';
import { bindContext, clearContext } from './web/async-context.ts';
import { hardenGlobals } from './web/harden.ts';
import { heavy } from './web/heavy.ts';
import { installWeb } from './web/install.ts';
import { StringCharCodeAt, StringIndexOf, StringSlice } from './web/intrinsics.ts';

/** What a plugin's entry exports: hooks by name, and whatever else it keeps on `this`. */
type PluginObject = Record<string, unknown>;

interface LoadInfo {
  readonly name: string;
  readonly version: string;
  readonly config: Record<string, unknown>;
  /** How many may wait at a time. */
  readonly timers: number;
}

/**
 * Makes the world of one plugin. Run once, by the host, before any plugin code and before it is known which plugin it
 * will be: the host keeps an isolate ready.
 *
 * @param random strong random bytes as latin1 text
 * @param filled two bytes of memory that the host reads too
 * @param source text of a part of the web platform
 * @param cryptoNow cryptography that the host does at once
 */
function boot(
  random: (bytes: number) => string,
  filled: Uint8Array<ArrayBuffer>,
  source: (name: string) => string,
  cryptoNow: (head: string, body: string) => string,
) {
  shareMailbox(filled);
  let config: Record<string, unknown> = {};
  let plugin: PluginObject = {};
  const clock = monotonicClock();
  const identity = { name: '', version: '' };
  const host = createHost(identity, () => config);
  const log = createLog(host);

  const cryptoLine = createCryptoLine((id, head, body) => post(KIND.crypto, id, FLAG.binary, head, body));
  onCrypto(cryptoLine.receive);

  const web = installWeb({
    random,
    source,
    crypto: { now: cryptoNow, later: cryptoLine.later },
    wake: (ms) => post(KIND.wake, ceil(max(ms, 0)), 0, '', null),
    monotonic: clock,
    console: (level, message, fields) => log[level](message, fields as Record<string, unknown>),
    fetch: (input, init) => fetchApi(input, init),
    reportError: report,
  });
  onWake(() => web.timers.fire());
  onUncaught(web.rejections.tell);
  hardenGlobals();

  const fetchApi = createFetch(host, web.http);
  // Taken now: what the plugin does to its globals later changes nothing there.
  const bodies = { ...web.http, Response };
  let files: FilesApi | undefined;
  let services: ServicesApi | undefined;
  let database: DatabaseApi | undefined;
  const streamspace: Record<string, unknown> = {
    plugin: identity,
    log,
    config: createConfig(host),
    events: createEvents(host),
    storage: createStorage(host, { many: heavy.storageMany, bind: (callback) => bindContext(callback) }),
    get database() {
      database ??= heavy.database().createDatabase(host, {
        apply,
        charCodeAt: StringCharCodeAt,
        defineProperty,
        hasOwn,
        indexOf: StringIndexOf,
        isArray,
        parse,
        slice: StringSlice,
        stringify,
        toISOString,
        bind: (callback) => bindContext(callback),
        decode: (bytes) => heavy.encoding().utf8Decode(bytes),
        StreamSpaceError,
      });
      return database;
    },
    get files() {
      files ??= heavy.files().createFiles(host, bodies);
      return files;
    },
    get services() {
      services ??= heavy.services().createServices(host, bodies);
      return services;
    },
    budget: createBudget(host),
    secrets: createSecrets(host),
    scheduler: createScheduler(host),
    plugins: createPlugins(host),
    connect: createConnect(host, {
      sockets: heavy.sockets,
      streams: web.streams as unknown as ConnectWeb['streams'],
      encode: web.http.encode,
    }),
    fetch: fetchApi,
    http: freeze({ fetch: fetchApi }),
    DatabaseError,
    PermissionError,
    QuotaError,
    StreamSpaceError,
  };
  streamspace.api = createApi(host, web.http, streamspace);
  freeze(streamspace);
  const guestRequire = createRequire(() => streamspace.connect);
  defineProperty(globalThis, 'streamspace', { value: streamspace, configurable: true, writable: true });

  async function callHook(name: string, args: readonly unknown[]): Promise<unknown> {
    const hook = plugin[name];
    if (hook === undefined) return undefined;
    if (typeof hook !== 'function') throw new TypeError(`the hook ${name} is not a function`);
    return (hook as (...args: unknown[]) => unknown).call(plugin, ...args, streamspace);
  }

  builtIn(BUILT_IN_HANDLER.load, async () => {
    const events = streamspace.events as ReturnType<typeof createEvents>;
    for (const [hook, event] of Object.entries(EVENT_HOOKS)) {
      if (typeof plugin[hook] === 'function') events.on(event, (data) => callHook(hook, hookArguments(hook, data)));
    }
    await callHook('onLoad', []);
    await settleLoad();
  });
  builtIn(BUILT_IN_HANDLER.hook, async ({ name, args }: { name: string; args: unknown[] }) => {
    await callHook(name, args);
  });
  builtIn(BUILT_IN_HANDLER.config, async (next: Record<string, unknown>) => {
    config = next;
    await callHook('onConfigChange', [streamspace.config]);
  });

  return {
    /** Delivers messages; answers what they brought at once. What microtasks bring later sets `filled`. */
    enter(heads: string, ...bodies: string[]): string {
      receive(heads, bodies);
      return drain();
    },
    /** The host asks for it when an entry brought a rejection that nobody handled, and then wants to know who listens. */
    drain(again?: boolean): string {
      listening(web.rejections.listens());
      return drain(again);
    },
    /**
     * Says which plugin it is and runs the bundle's top level; answers the error as JSON when it throws.
     *
     * @param loadInfo JSON of LoadInfo
     */
    define(factory: (module: object, exports: object, require: unknown) => void, loadInfo: string): string | undefined {
      const info = parse(loadInfo) as LoadInfo;
      identity.name = info.name;
      identity.version = info.version;
      freeze(identity);
      config = info.config;
      web.timers.allow(info.timers);
      const module: { exports: unknown } = { exports: {} };
      try {
        factory(module, module.exports as object, guestRequire);
        clearContext();
        const exported = module.exports as { default?: unknown };
        const value = exported?.default ?? exported;
        if (typeof value !== 'object' || value === null) {
          throw new TypeError('the entry has to export an object: export default definePlugin({ ... })');
        }
        plugin = value as PluginObject;
        return undefined;
      } catch (error) {
        return stringify(toGuestError(error));
      }
    },
  };
}

/** Hooks that take two things get them from one event: `onFileUpload(file, session)`, `onQuotaExceeded(quota, user)`. */
function hookArguments(hook: string, data: unknown): unknown[] {
  const parts = data as Record<string, unknown>;
  if (hook === 'onFileUpload') return [parts.file, parts.session];
  if (hook === 'onQuotaExceeded') return [parts.quota, parts.user];
  return [data];
}

/** Milliseconds since boot; the platform's clock as it was then, and never backwards. */
function monotonicClock(): () => number {
  const { now } = Date;
  const started = now();
  let last = started;
  return () => {
    last = max(last, now());
    return last - started;
  };
}

// For the host, which takes it from there (runtime/isolate/isolates.ts).
(globalThis as unknown as { boot: typeof boot }).boot = boot;
