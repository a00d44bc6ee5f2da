import { describe, expect, test } from 'bun:test';
import { splitScript } from '../../src/databases/statements.ts';

const pieces = (script: string) => splitScript(script).map(({ sql }) => sql);

describe('a script falls apart where psql would end a statement', () => {
  const whole = [
    `select 'a;b', 'it''s; so'`,
    `select E'a\\';b', e'\\\\'`,
    `select U&'a;b', B'01', X'1f'`,
    `select "a;b""c;d" from t`,
    `select $$ a; b $$, $tag$ a; $$ ; $other$ $tag$`,
    `select a$b$ , $1 -- ; not here\n from t`,
    `select 1 /* ; /* ; */ ; */ + 1`,
    `create rule r as on insert to t do also (insert into u values (1); insert into v values (2))`,
    `create function f() returns int language plpgsql as $f$ begin return 1; end; $f$`,
    `create or replace function f() returns int language sql begin atomic select 1; select case when true then 1 end; end`,
    `CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); END`,
    `do $do$ begin perform 1; commit; end $do$`,
    `insert into t values (E'a\\''';b')`,
    `select 'ä;𝄞', $ü$;$ü$`,
  ];
  test.each(whole)('one statement: %s', (sql) => {
    expect(pieces(`${sql};`)).toEqual([sql]);
    expect(pieces(sql)).toEqual([sql]);
    expect(pieces(`${sql}\n;select 2`)).toEqual([`${sql}\n`, 'select 2']);
  });

  test('comments, blank lines and lone semicolons are no statements', () => {
    expect(pieces('')).toEqual([]);
    expect(pieces(' ;; -- nothing\n /* ; */ ;')).toEqual([]);
    expect(pieces('-- first\nselect 1;\n/* second */ select 2')).toEqual(['select 1', 'select 2']);
  });

  test('what is not closed reaches to the end', () => {
    for (const open of [`select 'a;`, `select E'a\\';`, `select "a;`, `select $$a;`, `select $x$a;$$`, `select (1;`]) {
      expect(pieces(open)).toEqual([open]);
    }
    expect(pieces('select 1; /* a;')).toEqual(['select 1']);
    expect(pieces(`select E'a\\`)).toEqual([`select E'a\\`]);
  });

  test('a column called end or begin counts for nothing', () => {
    expect(pieces('alter table t add column begin int; select case when a then b end from t; commit')).toEqual([
      'alter table t add column begin int',
      'select case when a then b end from t',
      'commit',
    ]);
  });
});

test('each statement knows its line and its first word', () => {
  const script = '-- head\n\ncreate table a (\n  x int\n); insert into a\nvalues (1);\r\n\r\n  /* why */ COMMIT;';
  expect(splitScript(script).map(({ line, word }) => [line, word])).toEqual([
    [3, 'create'],
    [5, 'insert'],
    [8, 'commit'],
  ]);
});

test('the time it takes grows with the length only', () => {
  const scripts = [
    `select 1;\n`.repeat(60_000),
    `insert into t values ('${"''".repeat(500_000)}')`,
    `select E'${'\\'.repeat(999_999)}`,
    '/*'.repeat(400_000),
    `select ${'$a'.repeat(400_000)}`,
    '('.repeat(1_000_000),
  ];
  for (const script of scripts) {
    const begun = performance.now();
    splitScript(script);
    expect(performance.now() - begun).toBeLessThan(3_000);
  }
});
