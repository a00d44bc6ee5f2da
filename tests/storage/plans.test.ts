import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type RawBuilder, sql } from 'kysely';
import { removePrefix, selectMany, selectOne, selectPage } from '../../src/storage/statements.ts';
import { createStore } from '../../src/storage/store.ts';
import { sweepBatch } from '../../src/storage/sweep.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

// How many rows a plugin has must not matter to what a page costs: each statement reads an index, and of that what it
// answers. (With 1,000,000 rows the plans are the same: docs/operators/benchmarks.md.)

const ROWS = 40_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  const { db } = database;
  await createStore(db).set('large', 'first', '1', {});
  await sql`alter table plugin_storage disable trigger user`.execute(db);
  await sql`
    insert into plugin_storage (plugin_name, key, value, expires_at)
    select 'large', 'user/' || (n % 100) || '/' || n, to_jsonb('value ' || n),
      case when n % 2 = 0 then now() + interval '1 day' end
    from generate_series(1, ${ROWS}::int) n`.execute(db);
  await sql`alter table plugin_storage enable trigger user`.execute(db);
  await sql`vacuum analyze plugin_storage`.execute(db);
});
afterAll(() => database.drop());

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** The nodes of the plan that read plugin_storage, after it ran. */
async function readers(statement: RawBuilder<unknown>): Promise<PlanNode[]> {
  const { rows } = await sql<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>`
    explain (analyze, format json) ${statement}`.execute(database.db);
  const found: PlanNode[] = [];
  const walk = (node: PlanNode): void => {
    if (node['Relation Name'] === 'plugin_storage' && node['Node Type'].includes('Scan')) found.push(node);
    node.Plans?.forEach(walk);
  };
  for (const row of rows) walk(row['QUERY PLAN'][0].Plan);
  return found;
}

const rowsOf = (node: PlanNode): number =>
  (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];

const page = { prefix: 'user/77/', after: null, limit: 100, bytes: 1e6, values: true, reverse: false } as const;

describe('a page', () => {
  test.each([
    ['of everything', { ...page, prefix: '' }],
    ['of a prefix', page],
    ['in the middle', { ...page, after: 'user/77/20077' }],
    ['at the end of a large prefix', { ...page, prefix: 'user/', after: 'user/99/99' }],
    ['backwards', { ...page, reverse: true }],
    ['backwards in the middle', { ...page, reverse: true, after: 'user/77/20077' }],
    ['without values', { ...page, values: false }],
  ])('%s is a range of the index', async (_what, asked) => {
    const nodes = await readers(selectPage('large', asked));
    expect(nodes).toHaveLength(1);
    for (const node of nodes) {
      expect(node).toMatchObject({ 'Index Name': 'plugin_storage_pkey' });
      expect(node['Index Cond']).toContain('key >=');
      if (asked.prefix !== '') expect(node['Index Cond']).toContain('key <');
      expect(rowsOf(node)).toBeLessThanOrEqual(asked.limit + 1);
    }
  });

  test('the check would see a table that is read as a whole', async () => {
    const nodes = await readers(sql`select key from plugin_storage s where value = '7'`);
    expect(nodes).toMatchObject([{ 'Node Type': expect.stringContaining('Seq Scan') }]);
    expect(nodes.reduce((sum, node) => sum + rowsOf(node), 0)).toBeGreaterThan(ROWS / 2);
  });
});

test('reading keys reads those keys', async () => {
  const keys = Array.from({ length: 50 }, (_, n) => `user/${n}/${n}`);
  for (const [statement, most] of [
    [selectOne('large', 'user/1/1'), 1],
    [selectMany('large', keys, 1e6), 50],
  ] as const) {
    for (const node of await readers(statement)) {
      expect(node).toMatchObject({ 'Index Name': 'plugin_storage_pkey' });
      expect(rowsOf(node)).toBeLessThanOrEqual(most);
    }
  }
});

test('removing a prefix reads what it removes', async () => {
  const nodes = await readers(removePrefix('large', 'user/5/', null, 100));
  expect(nodes.length).toBeGreaterThan(0);
  for (const node of nodes) {
    expect(node['Node Type']).not.toContain('Seq');
    expect(rowsOf(node)).toBeLessThanOrEqual(100);
  }
});

test('sweeping reads what has expired, and goes on where it was', async () => {
  const { db } = database;
  await sql`
    update plugin_storage set expires_at = now() - interval '1 hour' + length(key) * interval '1 second'
    where plugin_name = 'large' and key like 'user/8/%'`.execute(db);
  const expired = ROWS / 100;
  const first = await sweepBatch(db, 'large', expired / 2);
  expect(first.removed).toBe(expired / 2);
  expect(first.next).toBeInstanceOf(Date);
  const second = await sweepBatch(db, 'large', expired, first.next);
  expect(second).toEqual({ removed: expired / 2, next: null });
});
