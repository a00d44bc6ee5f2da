import { afterEach, beforeEach, describe, expect, jest, test } from 'bun:test';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { createLog } from '../../src/log.ts';
import type { PluginLogLimits } from '../../src/plugins/log-limits.ts';
import { createPluginLogs, type LogEntry, type LogRate, type PluginLogs } from '../../src/plugins/plugin-log.ts';
import { createRedactor } from '../../src/secrets/redact.ts';
import { type TestQuotas, testQuotas } from '../kit/quotas.ts';

const LIMITS: PluginLogLimits = {
  keptLines: 10,
  keptChars: 50_000,
  readerLines: 5,
  readers: 3,
};

interface Rig {
  readonly logs: PluginLogs;
  readonly lines: () => Record<string, unknown>[];
  readonly tested: TestQuotas;
}

function logs({ perMinute = 100, ...limits }: Partial<PluginLogLimits> & { perMinute?: number } = {}): Rig {
  const tested = testQuotas({ logLinesPerMinute: perMinute });
  const rate: LogRate = {
    mayLog: (plugin, from) => tested.quotas.of(plugin).mayLog(from),
    max: () => perMinute,
  };
  let text = '';
  const log = createLog('debug', {
    write: (line: string) => {
      text += line;
    },
  });
  const redactor = createRedactor();
  redactor.set('p', ['hunter2-hunter2', '123456789']);
  return {
    logs: createPluginLogs({ log, redactor, rate, limits: { ...LIMITS, ...limits } }),
    tested,
    lines: () =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

const messages = (entries: readonly LogEntry[]) => entries.map(({ message }) => message);
const info = (message: string) => ({ level: 'info', message }) as const;

/** What a reader has waiting. */
async function take(reader: AsyncIterator<LogEntry>, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const { value, done } = await reader.next();
    taken.push(done ? 'end' : (value as LogEntry).message);
  }
  return taken;
}

describe('lines', () => {
  test('are kept with id, time and isolate, and go to the log of the core under the name of the plugin', () => {
    const { logs: kept, lines } = logs();
    kept.write('p', { level: 'warn', message: 'one', fields: { a: [1, null, { b: true }] }, isolate: 4 });
    kept.write('p', { level: 'fatal', message: 'two' });
    const [one, two] = kept.read('p', { limit: 10 });
    expect(one).toEqual({
      id: expect.any(Number),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: 'warn',
      message: 'one',
      fields: { a: [1, null, { b: true }] },
      isolate: 4,
    });
    expect(two?.id).toBe((one?.id ?? 0) + 1);
    expect(lines()).toMatchObject([
      { level: 'warn', plugin: 'p', msg: 'one', isolate: 4, fields: { a: [1, null, { b: true }] } },
      { level: 'error', plugin: 'p', msg: 'two' },
    ]);
  });

  test('are read by level, since an id, the newest of them', () => {
    const { logs: kept } = logs();
    for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const)
      kept.write('p', { level, message: level });
    expect(messages(kept.read('p', { limit: 10, level: 'warn' }))).toEqual(['warn', 'error', 'fatal']);
    expect(messages(kept.read('p', { limit: 2 }))).toEqual(['error', 'fatal']);
    const since = kept.read('p', { limit: 10 })[2]?.id ?? 0;
    expect(messages(kept.read('p', { limit: 10, since }))).toEqual(['error', 'fatal']);
    expect(kept.read('other', { limit: 10 })).toEqual([]);
  });

  test('of plugins are apart, and dropped apart', () => {
    const { logs: kept } = logs();
    kept.write('a', info('a'));
    kept.write('b', info('b'));
    kept.drop('a');
    kept.drop('never-seen');
    expect(kept.read('a', { limit: 10 })).toEqual([]);
    expect(messages(kept.read('b', { limit: 10 }))).toEqual(['b']);
  });

  test('a plugin cannot write the fields of the core', () => {
    const { logs: kept, lines } = logs();
    kept.write('p', {
      level: 'info',
      message: 'm',
      fields: { plugin: 'other', level: 'fatal', time: 'x', msg: 'forged' },
    });
    expect(lines()).toMatchObject([{ plugin: 'p', level: 'info', msg: 'm' }]);
  });
});

describe('limits', () => {
  test('the oldest lines go when there are too many', () => {
    const { logs: kept } = logs();
    for (let i = 0; i < 25; i += 1) kept.write('p', info(`line ${i}`));
    expect(messages(kept.read('p', { limit: 100 }))).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i + 15}`));
  });

  test('and when they are too long together', () => {
    const { logs: kept } = logs();
    for (let i = 0; i < 8; i += 1) kept.write('p', { ...info(`${i}`), fields: { text: 'x'.repeat(16_000) } });
    expect(messages(kept.read('p', { limit: 100 }))).toEqual(['5', '6', '7']);
  });

  test('a long message and large fields are cut', () => {
    const { logs: kept } = logs({ keptChars: 1e6 });
    kept.write('p', { level: 'info', message: 'm'.repeat(20_000), fields: { big: Array(40_000).fill('x') } });
    const [entry] = kept.read('p', { limit: 1 });
    expect(entry?.message).toEndWith('… (3616 more)');
    expect(Object.keys(entry?.fields ?? {})).toEqual(['cut']);
    expect(JSON.stringify(entry).length).toBeLessThan(16_384 + 2 * 32_768 + 500);
  });

  test('deep fields, and values that are no JSON', () => {
    const { logs: kept } = logs();
    let deep: unknown = 'end';
    for (let i = 0; i < 50_000; i += 1) deep = { deep };
    const error = new Error('broken');
    kept.write('p', { level: 'info', message: 'm', fields: { deep, big: 1n, none: undefined, error, f: Symbol('s') } });
    const fields = kept.read('p', { limit: 1 })[0]?.fields ?? {};
    expect(JSON.stringify(fields.deep)).toContain('[deeper]');
    expect(fields).toMatchObject({ big: '1', none: null, error: { name: 'Error', message: 'broken' }, f: 'Symbol(s)' });
  });
});

describe('what a line may hold', () => {
  test('ANSI, controls and bidirectional overrides are shown, not sent', () => {
    const { logs: kept, lines } = logs();
    const evil = '\x1b[2J\x1b]0;title\x07\rforged\0\x7f\x9b31m\u202eabc\u2028 \ud800';
    kept.write('p', { level: 'info', message: `a\tb\nc ${evil}`, fields: { [evil]: [evil] } });
    const [entry] = kept.read('p', { limit: 1 });
    const safe = '\\x1b[2J\\x1b]0;title\\x07\\x0dforged\\x00\\x7f\\x9b31m\\u202eabc\\u2028 \ufffd';
    expect(entry?.message).toBe(`a\tb\nc ${safe}`);
    expect(entry?.fields).toEqual({ [safe]: [safe] });
    expect(JSON.stringify(lines())).not.toMatch(/\\u001b|\u202e|\u2028/);
  });

  test('secrets are masked in message, fields, names and numbers, before anything is cut', () => {
    const { logs: kept, lines } = logs();
    const secret = 'hunter2-hunter2';
    kept.write('p', {
      level: 'info',
      message: `${'x'.repeat(16_380)}${secret}`,
      fields: { [secret]: 1, url: `https://x?k=${secret}`, list: [{ pin: 123456789 }], basic: btoa(`u:${secret}`) },
    });
    const all = JSON.stringify([kept.read('p', { limit: 1 }), lines()]);
    expect(all).not.toContain('hunt');
    expect(all).not.toContain('123456789');
    expect(kept.read('p', { limit: 1 })[0]?.fields).toMatchObject({
      '********': 1,
      url: 'https://x?k=********',
      list: [{ pin: '********' }],
    });
  });

  test('__proto__ pollutes nothing', () => {
    const { logs: kept } = logs();
    kept.write('p', { level: 'info', message: 'm', fields: JSON.parse('{"__proto__": {"polluted": 1}, "a": 1}') });
    expect(kept.read('p', { limit: 1 })[0]?.fields?.a).toBe(1);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('rate', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('a flood is dropped, and one line a second says how much of it', () => {
    const { logs: kept, lines } = logs({ perMinute: 100 });
    for (let i = 0; i < 5_000; i += 1) kept.write('p', info(`line ${i}`));
    expect(lines()).toHaveLength(100);
    jest.advanceTimersByTime(1_000);
    const notice = '4900 lines were dropped: more than 100 a minute (logLinesPerMinute)';
    expect(messages(kept.read('p', { limit: 1 }))).toEqual([notice]);
    for (let i = 0; i < 20; i += 1) kept.write('p', info('again'));
    jest.advanceTimersByTime(1_000);
    expect(lines()).toHaveLength(100 + 2);
    expect(lines().at(-1)?.msg).toStartWith('20 lines were dropped');
    jest.advanceTimersByTime(10_000);
    expect(lines()).toHaveLength(102);
  });

  test('comes back with the next minute', () => {
    const { logs: kept, lines, tested } = logs({ perMinute: 3 });
    for (let i = 0; i < 4; i += 1) kept.write('p', info('first'));
    tested.now = 59_999;
    kept.write('p', info('second'));
    expect(lines()).toHaveLength(3);
    tested.now = 60_000;
    for (let i = 0; i < 4; i += 1) kept.write('p', info('third'));
    expect(lines()).toHaveLength(6);
  });

  test('a flood of the plugin leaves room for what the core says of it, which has its end too', () => {
    const { logs: kept, lines } = logs({ perMinute: 3 });
    for (let i = 0; i < 10; i += 1) kept.write('p', { ...info('flood'), isolate: 1 });
    for (let i = 0; i < 10; i += 1) kept.write('p', info('the isolate was lost'));
    expect(lines().map(({ msg }) => msg)).toEqual([
      ...Array(3).fill('flood'),
      ...Array(3).fill('the isolate was lost'),
    ]);
  });

  test('one plugin does not use up the rate of another', () => {
    const { logs: kept } = logs();
    for (let i = 0; i < 1_000; i += 1) kept.write('flood', info('x'));
    kept.write('quiet', info('heard'));
    expect(messages(kept.read('quiet', { limit: 10 }))).toEqual(['heard']);
  });

  test('no notice comes after the plugin was dropped', () => {
    const { logs: kept, lines } = logs();
    for (let i = 0; i < 200; i += 1) kept.write('p', info('x'));
    kept.drop('p');
    jest.advanceTimersByTime(5_000);
    expect(lines()).toHaveLength(100);
  });
});

describe('following', () => {
  test('gives the lines from now on, of the level and above', async () => {
    const { logs: kept } = logs();
    kept.write('p', info('before'));
    const all = kept.follow('p');
    const errors = kept.follow('p', { level: 'error' });
    const waiting = errors.next();
    kept.write('p', info('one'));
    kept.write('p', { level: 'fatal', message: 'two' });
    expect(await take(all, 2)).toEqual(['one', 'two']);
    expect((await waiting).value.message).toBe('two');
  });

  test('a slow reader loses the oldest lines and is told how many', async () => {
    const { logs: kept } = logs();
    const reader = kept.follow('p');
    for (let i = 0; i < 12; i += 1) kept.write('p', info(`line ${i}`));
    const notice = (await reader.next()).value as LogEntry;
    expect(notice).toMatchObject({ level: 'warn', message: expect.stringContaining('7 lines are not shown') });
    const next = (await reader.next()).value as LogEntry;
    expect(next).toMatchObject({ id: notice.id + 1, message: 'line 7' });
    expect(await take(reader, 4)).toEqual(['line 8', 'line 9', 'line 10', 'line 11']);
  });

  test('ends when the plugin is dropped, after what is queued', async () => {
    const { logs: kept } = logs();
    const reader = kept.follow('p');
    const waiting = kept.follow('p');
    const next = waiting.next();
    kept.drop('p');
    expect((await next).done).toBe(true);
    expect(await take(reader, 2)).toEqual(['end', 'end']);
  });

  test('a reader who leaves makes room for another', async () => {
    const { logs: kept } = logs();
    const readers = [kept.follow('p'), kept.follow('p'), kept.follow('p')];
    expect(() => kept.follow('p')).toThrow(CodedError);
    kept.write('p', info('one'));
    for await (const entry of readers[0] as AsyncIterableIterator<LogEntry>) {
      expect(entry.message).toBe('one');
      break;
    }
    const fourth = kept.follow('p');
    expect(await take(readers[0] as AsyncIterableIterator<LogEntry>, 1)).toEqual(['end']);
    kept.write('p', info('two'));
    expect(await take(fourth, 1)).toEqual(['two']);
  });
});
