import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { createLogBroker, type LogDeps } from '../../sandbox-apis/log/broker.ts';
import { logContract } from '../../sandbox-apis/log/contract.ts';
import { createLog } from '../../sandbox-apis/log/guest.ts';
import { LINE_LIMITS } from '../../sandbox-apis/log/levels.ts';
import { testCaller } from '../kit/caller.ts';

interface Sent {
  level: string;
  message: string;
  fields?: Record<string, unknown>;
}

function guest(): { log: ReturnType<typeof createLog>; sent: Sent[] } {
  const sent: Sent[] = [];
  const host = {
    send(name: string, input: unknown) {
      expect(name).toBe('log.write');
      const line = JSON.parse(JSON.stringify(input)) as Sent;
      expect([...Value.Errors(logContract.calls.write.input, line)]).toEqual([]);
      expect(JSON.stringify(line.fields ?? {}).length).toBeLessThanOrEqual(LINE_LIMITS.fieldsChars);
      sent.push(line);
    },
  } as unknown as GuestHost;
  return { log: createLog(host), sent };
}

describe('the guest', () => {
  test('sends level, message and fields', () => {
    const { log, sent } = guest();
    for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const) log[level](level, { n: 1 });
    log.info('alone');
    expect(sent).toEqual([
      { level: 'debug', message: 'debug', fields: { n: 1 } },
      { level: 'info', message: 'info', fields: { n: 1 } },
      { level: 'warn', message: 'warn', fields: { n: 1 } },
      { level: 'error', message: 'error', fields: { n: 1 } },
      { level: 'fatal', message: 'fatal', fields: { n: 1 } },
      { level: 'info', message: 'alone' },
    ]);
  });

  test('keeps what JSON would lose', () => {
    const { log, sent } = guest();
    const cause = new TypeError('inner');
    log.error('failed', {
      error: Object.assign(new Error('outer', { cause }), { code: 'E1' }),
      big: 10n,
      nan: Number.NaN,
    });
    log.error('failed', new Error('alone'));
    log.info('odd', { at: new Date(0), f: function named() {}, s: Symbol('x'), none: undefined, zero: null });
    expect(sent[0]?.fields).toMatchObject({
      error: { name: 'Error', message: 'outer', code: 'E1', stack: expect.any(String), cause: { message: 'inner' } },
      big: '10',
      nan: 'NaN',
    });
    expect(sent[1]?.fields).toMatchObject({ value: { message: 'alone' } });
    expect(sent[2]?.fields).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      f: '[function named]',
      s: 'Symbol(x)',
      zero: null,
    });
  });

  test('never throws and stays within what the contract takes', () => {
    const { log, sent } = guest();
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const throwing = {
      get bad() {
        throw new Error('no');
      },
    };
    const proxy = new Proxy({}, { ownKeys: () => ['__proto__', 'x'.repeat(1_000)] });
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, 'v'.repeat(100)]));
    const values: unknown[] = [
      circle,
      throwing,
      proxy,
      many,
      Array(100_000).fill('x'),
      'text',
      5,
      null,
      Object.create(null),
    ];
    values.push(
      { 'line\nbreak': 1 },
      { a: 'x'.repeat(1e6) },
      { a: Array(1e5).fill(0) },
      { ['k'.repeat(500)]: 1 },
      { toJSON: () => circle },
    );
    for (const value of values) {
      log.info('m', value as Record<string, unknown>);
      log.info('m', { value });
    }
    log.info({ toString: () => 5 } as unknown as string);
    log.info(Object.create(null) as string);
    log.info('x'.repeat(100_000));
    expect(sent).toHaveLength(2 * values.length + 3);
    expect(sent.at(-2)?.message).toBe('[unreadable]');
    expect(sent.at(-1)?.message).toHaveLength(16_384);
  });
});

test('the broker writes for the plugin and isolate that call', () => {
  const written: Parameters<LogDeps['write']>[] = [];
  const broker = createLogBroker({ write: (...line) => written.push(line) });
  const { caller } = testCaller({ plugin: 'mine', isolate: 9 });
  expect(broker.write(caller, { level: 'info', message: 'm', fields: { a: 1 } })).toEqual({});
  expect(written).toEqual([['mine', { level: 'info', message: 'm', fields: { a: 1 }, isolate: 9 }]]);
});

test('the contract refuses other levels, long texts and unknown keys', () => {
  const { input } = logContract.calls.write;
  expect(Value.Check(input, { level: 'trace', message: 'm' })).toBe(false);
  expect(Value.Check(input, { level: 'info', message: 'm'.repeat(40_000) })).toBe(false);
  expect(Value.Check(input, { level: 'info', message: 'm', plugin: 'other' })).toBe(false);
  expect(Value.Check(input, { level: 'info', message: 'm', fields: { ['k'.repeat(200)]: 1 } })).toBe(false);
});
