import { expect, test } from 'bun:test';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { createConfigBroker } from '../../sandbox-apis/config/broker.ts';
import { createConfig } from '../../sandbox-apis/config/guest.ts';
import { testCaller } from '../kit/caller.ts';

function guest(first: Record<string, unknown>) {
  let current = first;
  const config = createConfig({ config: () => current } as unknown as GuestHost);
  return {
    config,
    change: (next: Record<string, unknown>) => {
      current = next;
    },
  };
}

test('reads like the object that it shows', () => {
  const { config } = guest({ channel: '#a', retry: { times: 3 }, list: [1] });
  expect(config.channel).toBe('#a');
  expect((config.retry as { times: number }).times).toBe(3);
  expect('channel' in config).toBe(true);
  expect('nothing' in config).toBe(false);
  expect(Object.keys(config)).toEqual(['channel', 'retry', 'list']);
  expect({ ...config }).toEqual({ channel: '#a', retry: { times: 3 }, list: [1] });
  expect(JSON.stringify(config)).toBe('{"channel":"#a","retry":{"times":3},"list":[1]}');
});

test('shows the new values after a change, and no old ones', () => {
  const { config, change } = guest({ channel: '#a', gone: 1 });
  expect(config.gone).toBe(1);
  change({ channel: '#b', retry: { times: 1 } });
  expect({ ...config }).toEqual({ channel: '#b', retry: { times: 1 } });
  expect('gone' in config).toBe(false);
  expect(Object.isFrozen(config.retry)).toBe(true);
});

test('cannot be changed, at any depth', () => {
  const { config } = guest({ channel: '#a', retry: { times: 3, list: [{ a: 1 }] } });
  const open = config as Record<string, unknown>;
  const retry = config.retry as { times: number; list: { a: number }[] };
  for (const change of [
    () => {
      open.channel = '#b';
    },
    () => {
      open.more = 1;
    },
    () => {
      delete open.channel;
    },
    () => Object.defineProperty(open, 'channel', { value: 1 }),
    () => Object.setPrototypeOf(open, {}),
    () => Object.freeze(open),
    () => {
      retry.times = 4;
    },
    () => retry.list.push({ a: 2 }),
    () => {
      (retry.list[0] as { a: number }).a = 2;
    },
  ]) {
    expect(change).toThrow(TypeError);
  }
  expect({ ...config }).toEqual({ channel: '#a', retry: { times: 3, list: [{ a: 1 }] } });
});

test('the broker answers the configuration of who calls', async () => {
  const broker = createConfigBroker({ current: ({ plugin }) => ({ of: plugin }) });
  expect(await broker.get(testCaller({ plugin: 'mine' }).caller, {})).toEqual({ config: { of: 'mine' } });
});
