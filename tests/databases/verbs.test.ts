import { describe, expect, test } from 'bun:test';
import { assertStatement, effectOf, verbOf } from '../../src/databases/verbs.ts';

test.each([
  ['select 1', 'select'],
  ['  \n\tSELECT 1', 'select'],
  ['-- a comment\n-- another\ninsert into t', 'insert'],
  ['/* one /* in another */ */ delete from t', 'delete'],
  ['((select 1) union (select 2))', 'select'],
  ['/* without end', ''],
  ['--', ''],
  ['', ''],
  [';', ''],
  ['$1', ''],
])('the first word of %j is %j', (sql, verb) => {
  expect(verbOf(sql)).toBe(verb);
});

test('a long comment takes no more than its length', () => {
  const begun = performance.now();
  expect(verbOf(`${'/*'.repeat(200_000)} select`)).toBe('');
  expect(verbOf(`${'('.repeat(500_000)}select`)).toBe('select');
  expect(verbOf(`${'-- x\n'.repeat(100_000)}select`)).toBe('select');
  expect(performance.now() - begun).toBeLessThan(1_000);
});

describe('what it does to the size', () => {
  test.each([
    ['select 1', 'reads'],
    ['select * into u from t', 'grows'],
    ['with x as (select 1) select * from x', 'reads'],
    ['with x as (delete from t returning *) insert into u select * from x', 'grows'],
    ['explain analyze insert into t values (1)', 'grows'],
    ['delete from t', 'shrinks'],
    ['truncate t', 'shrinks'],
    ['vacuum full t', 'shrinks'],
    ['drop table t', 'shrinks'],
    ['insert into t values (1)', 'grows'],
    ['update t set a = 1', 'grows'],
    ['create table t (a int)', 'grows'],
    ['do $$ begin end $$', 'grows'],
    ['call f()', 'grows'],
    ['refresh materialized view v', 'grows'],
    ['', 'grows'],
  ] as const)('%s: %s', (sql, effect) => {
    expect(effectOf(sql, verbOf(sql))).toBe(effect);
  });
});

describe('what has no place', () => {
  const refuses = (sql: string, isInTransaction: boolean) => {
    try {
      assertStatement(sql, verbOf(sql), isInTransaction);
      return false;
    } catch {
      return true;
    }
  };
  test.each([
    ['begin', true, true],
    ['commit', true, true],
    ['rollback', true, true],
    ['savepoint a', true, false],
    ['release a', true, false],
    ['rollback to a', true, false],
    ['rollback to savepoint a', true, false],
    ["prepare transaction 'a'", true, true],
    ['prepare a as select 1', false, false],
    ['copy t to stdout', true, true],
    ['select 1', false, false],
  ])('%s: refused outside of a transaction %p, in one %p', (sql, outside, inside) => {
    expect([refuses(sql, false), refuses(sql, true)]).toEqual([outside, inside]);
  });
});
