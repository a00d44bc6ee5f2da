import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Evaluator, installEvaluator } from '../kit/evaluator.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';

// `storage` as a plugin has it: through its isolate, the gate and the core, down to Postgres.

let core: RunningCore;
let keeper: Evaluator;
beforeAll(async () => {
  core = await startCore();
  keeper = await installEvaluator(core, 'keeper', { limits: { hostCallsPerMinute: { storage: 100_000 } } });
});
afterAll(() => core.stop());

const usage = async () => (await core.api('GET', '/api/plugins/keeper/metrics')).body.storage;

test('several keys are read, written and removed at once', async () => {
  const seen = await keeper.value(`
    const { storage } = ctx;
    const versions = await storage.setMany(Array.from({ length: 300 }, (_, n) => ({ key: 'bulk/' + n, value: { n } })));
    const found = await storage.getMany(['bulk/7', 'none', 'bulk/299', 'bulk/7']);
    const entries = await storage.getEntries(['bulk/7']);
    const keys = [];
    let cursor;
    do {
      const page = await storage.list({ prefix: 'bulk/', values: false, reverse: true, limit: 128, ...(cursor && { cursor }) });
      keys.push(...page.entries.map((entry) => Object.keys(entry).join() + entry.key));
      cursor = page.cursor;
    } while (cursor);
    const removed = [await storage.deleteMany(['bulk/0', 'bulk/1', 'none']), await storage.deleteMany({ prefix: 'bulk/' })];
    return {
      maps: [versions, found, entries].every((map) => map instanceof Map && Object.getPrototypeOf(map) === Map.prototype),
      versions: new Set(versions.values()).size,
      found: [...found],
      same: entries.get('bulk/7').version === versions.get('bulk/7'),
      keys: [keys.length, keys[0], keys.at(-1)],
      removed,
      left: (await storage.list({ prefix: 'bulk/' })).entries.length,
    };`);
  expect(seen).toEqual({
    maps: true,
    versions: 300,
    found: [
      ['bulk/7', { n: 7 }],
      ['bulk/299', { n: 299 }],
    ],
    same: true,
    keys: [300, 'key,versionbulk/99', 'key,versionbulk/0'],
    removed: [2, 298],
    left: 0,
  });
});

test('what is more than one answer holds comes all the same', async () => {
  const seen = await keeper.value(`
    const large = 'x'.repeat(250_000);
    for (let n = 0; n < 9; n += 1) await ctx.storage.set('large/' + n, large + n);
    const keys = Array.from({ length: 10 }, (_, n) => 'large/' + n);
    const found = await ctx.storage.getMany(keys);
    const one = await Promise.all(keys.map((key) => ctx.storage.get(key)));
    await ctx.storage.deleteMany(keys);
    return [[...found.values()].map((text) => text.length), one.map((text) => text?.length ?? null)];`);
  const lengths = Array.from({ length: 9 }, () => 250_001);
  expect(seen).toEqual([lengths, [...lengths, null]]);
});

describe('compare and set', () => {
  test('of fifty who write at once one wins, in each round; each other is told the version', async () => {
    const rounds = await keeper.value(`
      const { storage } = ctx;
      let { version } = await storage.set('cas', 'start');
      const rounds = [];
      for (let round = 0; round < 5; round += 1) {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 50 }, (_, n) => storage.set('cas', { round, n }, { ifVersion: version })));
        const won = outcomes.flatMap((one, n) => (one.status === 'fulfilled' ? [n] : []));
        const entry = await storage.getEntry('cas');
        const told = outcomes.filter(({ status, reason }) => status === 'rejected' && reason.code === 'version_conflict'
          && reason instanceof streamspace.StreamSpaceError && reason.current === entry.version && reason.key === 'cas');
        rounds.push([won.length, entry.value.round === round && entry.value.n === won[0], told.length]);
        version = entry.version;
      }
      return rounds;`);
    expect(rounds).toEqual(Array.from({ length: 5 }, () => [1, true, 49]));
  });

  test('update loses nothing, also among requests at once', async () => {
    const add = (n: number) =>
      keeper.value(`return (await ctx.storage.update('list', (all) => [...(all ?? []), ${n}])).length`);
    const lengths = await Promise.all(Array.from({ length: 20 }, (_, n) => add(n)));
    expect(lengths.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    const all: number[] = await keeper.value(`return ctx.storage.get('list')`);
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test('update runs its function in the context that it was given in', async () => {
    const first = `import { AsyncLocalStorage } from 'node:async_hooks'; globalThis.als = new AsyncLocalStorage();`;
    const local = await installEvaluator(core, 'local', {}, { first });
    // In such a bundle what the evaluator runs is a plain function: there is no `await` in it.
    const seen = await local.value(`
      const { storage } = ctx;
      const named = (name) => als.run(name, () => storage.update('list', (all) => [...(all ?? []), als.getStore()]));
      return Promise.all(['a', 'b', 'c'].map(named)).then(() => storage.get('list'));`);
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  test('two plugins do not see each other', async () => {
    const other = await installEvaluator(core, 'other');
    await keeper.value(`await ctx.storage.set('mine', 'secret')`);
    const seen = await other.value(`
      const { storage } = ctx;
      return [
        await storage.get('mine'), (await storage.getMany(['mine'])).size, await storage.deleteMany(['mine']),
        await storage.deleteMany({ prefix: '' }), (await storage.list()).entries, await storage.increment('mine'),
      ];`);
    expect(seen).toEqual([null, 0, 0, 0, [], 1]);
    expect(await keeper.value(`return ctx.storage.get('mine')`)).toBe('secret');
  });
});

test('a thousand increments at once are exact: more than may be under way come in turns', async () => {
  const seen = await keeper.value(`
    const { storage } = ctx;
    const answers = [];
    for (let part = 0; part < 5; part += 1) {
      answers.push(...await Promise.all(Array.from({ length: 200 }, (_, n) =>
        storage.increment(n % 2 === 0 ? 'one' : 'of/' + (n % 20)))));
    }
    return [await storage.get('one'), await storage.getMany(['of/1', 'of/19']).then((map) => [...map.values()]),
      new Set(answers).size];`);
  expect(seen).toEqual([500, [50, 50], 500]);
});

test('an expired key is absent to each call at once, and a key is no longer than its time', async () => {
  const seen = await keeper.value(`
    const { storage } = ctx;
    await storage.setMany(['a', 'b', 'c', 'd', 'e'].map((key) => ({ key: 'brief/' + key, value: 7, ttl: 0.001 })));
    while ((await storage.get('brief/a')) !== null);
    return [
      (await storage.getMany(['brief/a', 'brief/b'])).size,
      (await storage.list({ prefix: 'brief/' })).entries.length,
      (await storage.list({ prefix: 'brief/', values: false })).entries.length,
      await storage.increment('brief/a'),
      await storage.set('brief/b', 1, { ifVersion: 0 }).then(() => 'made'),
      await storage.set('brief/c', 1, { ifVersion: 5 }).catch((error) => error.current),
      await storage.deleteMany(['brief/c', 'brief/d']),
      await storage.update('brief/e', (value) => [value]),
      await storage.deleteMany({ prefix: 'brief/' }),
    ];`);
  expect(seen).toEqual([0, 0, 0, 1, 'made', 0, 0, [null], 3]);
});

test('arguments that are none are refused inside the guest or by the core', async () => {
  const codes = await keeper.value(`
    const { storage } = ctx;
    const code = (call) => call.then(() => 'done', (error) => error.code);
    const circle = []; circle.push(circle);
    return [
      await code(storage.getMany('ab')), await code(storage.getMany([''])), await code(storage.getMany([5])),
      await code(storage.getMany(Array.from({ length: 1001 }, (_, n) => 'k' + n))),
      await code(storage.setMany([{ key: 'a', value: 1 }, { key: 'a', value: 2 }])),
      await code(storage.setMany([{ key: 'a' }])), await code(storage.setMany([{ key: 'a', value: circle }])),
      await code(storage.setMany(Array.from({ length: 5 }, (_, n) => ({ key: 'k' + n, value: 'x'.repeat(250_000) })))),
      await code(storage.deleteMany({ prefix: 5 })), await code(storage.update('k', () => 1n)),
    ];`);
  expect(codes).toEqual(Array.from({ length: 10 }, () => 'invalid_input'));
});

test('admins see what is stored, and its sums are in the metrics of the plugin', async () => {
  await keeper.value(`await ctx.storage.deleteMany({ prefix: '' }); await ctx.storage.set('seen', { by: 'admins' })`);
  const listed = await core.api('GET', '/api/plugins/keeper/data/storage');
  expect(listed).toMatchObject({ status: 200, body: { items: [{ key: 'seen' }], nextCursor: null } });
  expect((await core.api('GET', '/api/plugins/keeper/data/storage/entry?key=seen')).body.value).toEqual({
    by: 'admins',
  });
  expect(await usage()).toEqual(listed.body.usage);
  expect(await usage()).toMatchObject({ keys: 1, bytes: 'seen{"by": "admins"}'.length });
  const series = await (await fetch(`${core.url}/metrics`)).text();
  expect(series).toContain('streamspace_plugin_storage_keys{plugin="keeper"} 1');
  expect((await core.api('DELETE', '/api/plugins/keeper/data/storage/entry?key=seen')).body).toEqual({ deleted: 1 });
  expect(await keeper.value(`return ctx.storage.get('seen')`)).toBeNull();
});
