import { describe, expect, test } from 'bun:test';
import { install } from '../kit/plugin.ts';
import { hosted } from './hosted.ts';

// `streamspace secrets` and the REST API below it, against the real product.

const on = hosted();

const SOURCE = {
  manifest: { name: 'holder', configSchema: { token: { type: 'string', sensitive: true } } },
  'index.js': `export default {
    onLoad({ api, secrets }) { api.get('/token', () => secrets.get('token'), { auth: 'public' }); },
  };`,
};
const token = async () => (await on.core.api('GET', '/api/plugins/holder/token', { token: null })).body;

test('a rotation, while the host goes on', async () => {
  await install(on.core, SOURCE, { config: { token: 'open sesame' } });
  const before = JSON.parse((await on.run('secrets', 'status', '--json')).out);
  expect(before).toEqual({
    keyId: expect.stringMatching(/^[0-9a-f]{16}$/),
    source: 'file',
    values: 1,
    rotatedAt: null,
    rotating: null,
  });
  expect(await on.run('secrets', 'status')).toMatchObject({
    code: 0,
    out: `key      ${before.keyId} (in the data folder)\nsecrets  1\nrotated  never\n`,
  });

  const { code, out, err } = await on.run('secrets', 'rotate');

  expect([code, out]).toEqual([0, expect.stringMatching(/^1 secrets are sealed with the key [0-9a-f]{16}\.\n$/)]);
  expect(err).toContain(`need the key ${before.keyId}, which is gone`);
  expect(await token()).toBe('open sesame');
  const after = JSON.parse((await on.run('secrets', 'status', '--json')).out);
  expect(out).toContain(after.keyId);
  expect(after.keyId).not.toBe(before.keyId);
  expect(Date.now() - Date.parse(after.rotatedAt)).toBeLessThan(60_000);
  expect(JSON.parse((await on.run('secrets', 'rotate', '--json')).out)).toEqual({
    keyId: expect.any(String),
    previousKeyId: after.keyId,
    values: 1,
  });
  expect(await token()).toBe('open sesame');
});

describe('nobody else may', () => {
  test.each([
    ['GET', '/api/secrets'],
    ['POST', '/api/secrets/rotate'],
  ])('%s %s', async (method, path) => {
    const user = await on.core.signUp(`${method.toLowerCase()}@example.com`);
    expect((await on.core.api(method, path, { token: user })).status).toBe(403);
    expect((await on.core.api(method, path, { token: null })).status).toBe(401);
  });
});
