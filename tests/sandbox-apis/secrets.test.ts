import { expect, test } from 'bun:test';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { createSecretsBroker } from '../../sandbox-apis/secrets/broker.ts';
import { createSecrets } from '../../sandbox-apis/secrets/guest.ts';
import { testCaller } from '../kit/caller.ts';

const vault = new Map([
  ['mine/token', 'secret'],
  ['theirs/token', 'not yours'],
]);
const broker = createSecretsBroker({
  secrets: {
    get: async ({ plugin }, name) => vault.get(`${plugin}/${name}`) ?? null,
    names: async ({ plugin }) =>
      [...vault.keys()].filter((key) => key.startsWith(`${plugin}/`)).map((key) => key.slice(5)),
  },
});
const { caller } = testCaller({ plugin: 'mine' });
const host = {
  call: (name: string, input: { name: string }) =>
    name === 'secrets.get' ? broker.get(caller, input) : broker.list(caller, {}),
} as unknown as GuestHost;

test('a plugin reads its own secrets only', async () => {
  const secrets = createSecrets(host);
  expect(await secrets.get('token')).toBe('secret');
  expect(await secrets.get('absent')).toBeNull();
  expect(await secrets.get('../theirs/token')).toBeNull();
  expect(await secrets.list()).toEqual(['token']);
});
