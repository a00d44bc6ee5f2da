/**
 * The web platform over a bridge for tests: time stands still until the runner moves it, and what the platform tells the
 * host is kept for the test to read.
 */
import { createCryptoLine } from '../../runtime/guest/crypto-line.ts';
import { hardenGlobals } from '../../runtime/guest/web/harden.ts';
import { installWeb, type WebInternals } from '../../runtime/guest/web/install.ts';

export interface TestHost {
  readonly web: WebInternals;
  readonly logs: [level: string, message: string][];
  readonly errors: string[];
  readonly wakes: number[];
  /** Moves the clock to what `wake` asked for and fires; false when nothing was asked. */
  step(): boolean;
  /** Delivers what the host answered about cryptography. */
  reply(id: number, head: string, body: string): void;
}

const scope = globalThis as unknown as {
  __random: (bytes: number) => string;
  __source: (name: string) => string;
  __cryptoNow: (head: string, body: string) => string;
  __cryptoLater: (id: number, head: string, body: string) => void;
  __test: TestHost;
};
const { __random: random, __source: source, __cryptoNow: cryptoNow, __cryptoLater: cryptoLater } = scope;
const { parse } = JSON;
// Without prototypes and methods: tests patch those of Array.
const list = <T>(): T[] => Object.setPrototypeOf([], null) as T[];
const logs = list<[level: string, message: string]>();
const errors = list<string>();
const wakes = list<number>();
let now = 0;
let due: number | null = null;

const cryptoLine = createCryptoLine(cryptoLater);

hardenGlobals();
const web = installWeb({
  random,
  source,
  crypto: { now: cryptoNow, later: cryptoLine.later },
  wake(ms) {
    wakes[wakes.length] = ms;
    due = now + ms;
  },
  monotonic: () => now,
  console(level, message) {
    logs[logs.length] = [level, message];
  },
  async fetch(input) {
    const url = String(input);
    const head = {
      status: 200,
      statusText: 'OK',
      url,
      headers: [['X-Test', '1']] as [string, string][],
      redirected: false,
    };
    return web.http.makeResponse(head, { kind: 'text', text: 'fetched' });
  },
  reportError(error) {
    errors[errors.length] = `${error}`;
  },
});

scope.__test = {
  web,
  logs,
  errors,
  wakes,
  reply: (id, head, body) => cryptoLine.receive(id, parse(head), body),
  step() {
    if (due === null) return false;
    now = Math.max(now, due);
    due = null;
    web.timers.fire();
    return true;
  },
};
