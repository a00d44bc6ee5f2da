import { beforeEach, describe, expect, test } from 'bun:test';
import type { StagedDatabase } from '../../src/databases/databases.ts';
import type { Trx } from '../../src/db/client.ts';
import { OutcomeUnknown } from '../../src/db/transact.ts';
import { createLog } from '../../src/log.ts';
import type { Manifest } from '../../src/packages/manifest.ts';
import type { PackageFiles } from '../../src/packages/read.ts';
import { type Next, Stages, type StagesDeps } from '../../src/plugins/stages.ts';
import type { PluginRow } from '../../src/plugins/store.ts';

// What is prepared for a change, and what becomes of it, step by step: the databases themselves are a record of the steps.

let steps: string[] = [];
let current: string | null = null;
/** Migrations that the current database has. */
let applied: string[] = [];
let migrating: (() => Promise<void>) | null = null;
const trx = {} as Trx;

const staged = (database: string): StagedDatabase => ({
  database,
  before: current,
  commit: async () => void steps.push(`point to ${database}`),
  settle: async () => void steps.push('close the one before'),
  abandon: async () => void steps.push(`abandon ${database}`),
});
const session = () => ({
  async query(text: string) {
    if (text.includes('to_regclass')) return { rows: [{ ok: true }] };
    return { rows: text.includes('checksum::') ? applied.map((name) => ({ name, checksum: checksum(name) })) : [] };
  },
  end: async () => {},
});
const deps = {
  log: createLog('silent'),
  databases: {
    currentOf: () => current,
    stage: async () => {
      steps.push('stage');
      return staged('next');
    },
    stageExisting: async (_plugin: string, database: string) => {
      steps.push(`stage ${database}`);
      return staged('next');
    },
    session: async (_plugin: string, database: string) => {
      steps.push(`open ${database}`);
      return session();
    },
    runFiles: async (_plugin: string, database: string) => {
      await migrating?.();
      steps.push(`migrate ${database}`);
    },
    dropDatabase: async (database: string) => void steps.push(`drop ${database}`),
  },
  points: {
    begin: async (_row: PluginRow, reason: string) => {
      steps.push(`capture for ${reason}`);
      return 7;
    },
    confirm: async (_trx: Trx, id: number, database: string | null) => void steps.push(`point ${id} has ${database}`),
    remove: async (ids: readonly number[]) => void steps.push(`remove point ${ids}`),
    prune: async () => void steps.push('prune'),
    openSpace: async (plugin: string, point: number, from: number) => {
      steps.push(`space of ${from}`);
      return `${plugin}@${point}`;
    },
    mergeSpace: async (_trx: Trx, plugin: string, point: number) => void steps.push(`merge ${plugin}@${point}`),
  },
} as unknown as StagesDeps;

const checksum = (name: string) => new Bun.CryptoHasher('sha256').update(`-- ${name}\nselect 1`).digest('hex');
const packageOf = (digest: string, ...migrations: readonly string[]): PackageFiles => ({
  files: new Map(
    migrations.map((name) => [`migrations/${name}`, new TextEncoder().encode(`-- ${name}\nselect 1`)] as const),
  ),
  digest,
  bytes: 0,
});
const row = { name: 'p', version: '1.0.0', packageDigest: 'first', enabled: true } as PluginRow;
const next = (version: string, pkg: PackageFiles, more: Partial<Next> = {}): Next => ({
  pkg,
  manifest: { name: 'p', version } as Manifest,
  grants: ['database'],
  row,
  isLoaded: true,
  ...more,
});

let stages: Stages;
beforeEach(() => {
  steps = [];
  current = 'now';
  applied = ['1.sql'];
  migrating = null;
  stages = new Stages(deps);
});

describe('nothing is prepared', () => {
  test('for the same package: the database is not even asked', async () => {
    const stage = await stages.open(next('1.0.0', packageOf('first', '1.sql')));
    expect([stage.isEmpty, stage.binding(null)]).toEqual([true, { staged: { secrets: null, space: null } }]);
    expect(steps).toEqual([]);
  });

  test('for other code with the same migrations: the database is asked once', async () => {
    for (const digest of ['second', 'third', 'fourth']) {
      expect((await stages.open(next('1.0.0', packageOf(digest, '1.sql')))).isEmpty).toBe(true);
    }
    expect(steps).toEqual(['open now']);
  });

  test('for a plugin without the permission', async () => {
    current = null;
    const stage = await stages.open(next('1.0.0', packageOf('second'), { grants: [] }));
    expect([stage.isEmpty, steps]).toEqual([true, []]);
  });
});

describe('prepared in this order, and settled after the commit', () => {
  test('another version', async () => {
    const stage = await stages.open(next('2.0.0', packageOf('second', '1.sql', '2.sql')));
    expect(steps).toEqual(['stage', 'migrate next', 'capture for upgrade', 'space of 7']);
    expect(stage.binding({ a: 'b' })).toEqual({ database: 'next', staged: { secrets: { a: 'b' }, space: 'p@7' } });
    steps = [];
    await stage.commit(trx);
    expect(steps).toEqual(['merge p@7', 'point to next', 'point 7 has now']);
    steps = [];
    await stage.settle();
    expect(steps).toEqual(['close the one before', 'prune']);
  });

  test('further migrations of the same version', async () => {
    await stages.open(next('1.0.0', packageOf('second', '1.sql', '2.sql')));
    expect(steps.slice(1)).toEqual(['stage', 'migrate next', 'capture for upgrade', 'space of 7']);
  });

  test('a first install: a database, and no point', async () => {
    current = null;
    applied = [];
    const stage = await stages.open(next('1.0.0', packageOf('first', '1.sql'), { row: null }));
    expect(steps).toEqual(['stage', 'migrate next']);
    steps = [];
    await stage.commit(trx);
    await stage.settle();
    expect(steps).toEqual(['point to next', 'close the one before']);
  });

  test('an install that finds tables of an earlier one: migrated, and what was before goes', async () => {
    const stage = await stages.open(next('3.0.0', packageOf('third', '1.sql', '2.sql'), { row: null }));
    expect(steps).toEqual(['open now', 'stage', 'migrate next']);
    await stage.commit(trx);
    steps = [];
    await stage.settle();
    expect(steps).toEqual(['close the one before', 'drop now']);
  });

  test('another version of a plugin without a database: the rest is captured', async () => {
    current = null;
    const stage = await stages.open(next('2.0.0', packageOf('second'), { grants: [] }));
    expect(steps).toEqual(['capture for upgrade', 'space of 7']);
    await stage.commit(trx);
    expect(steps.slice(2)).toEqual(['merge p@7', 'point 7 has null']);
  });

  test('one that is not loaded needs no space', async () => {
    await stages.open(next('2.0.0', packageOf('second', '1.sql'), { isLoaded: false }));
    expect(steps).toEqual(['stage', 'migrate next', 'capture for upgrade']);
  });
});

describe('what fails leaves nothing', () => {
  test('a migration', async () => {
    migrating = async () => {
      throw new Error('no');
    };
    const opening = stages.open(next('2.0.0', packageOf('second', '1.sql', '2.sql')));
    await expect(opening).rejects.toThrow('no');
    expect(steps).toEqual(['stage', 'abandon next']);
  });

  test('whatever comes after it', async () => {
    const stage = await stages.open(next('2.0.0', packageOf('second', '1.sql')));
    steps = [];
    await stage.abandon(new Error('it does not load'));
    expect(steps).toEqual(['abandon next', 'remove point 7']);
  });

  test('what cannot be removed, since the database is away, keeps nothing else', async () => {
    const stage = await stages.open(next('2.0.0', packageOf('second', '1.sql')));
    steps = [];
    stage.staged = {
      ...(stage.staged as StagedDatabase),
      abandon: async () => {
        steps.push('abandon in vain');
        throw new Error('the database is away');
      },
    };
    await stage.abandon(new Error('it does not load'));
    expect(steps).toEqual(['abandon in vain', 'remove point 7']);
  });

  test('but while nobody knows whether the change was committed, all is left', async () => {
    const stage = await stages.open(next('2.0.0', packageOf('second', '1.sql')));
    steps = [];
    await stage.abandon(new OutcomeUnknown(new Error('lost')));
    expect(steps).toEqual([]);
  });
});
