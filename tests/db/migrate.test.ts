import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/db/migrate.ts';
import { createSql, type Sql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';
import { emptyDatabase, type TestDatabase } from '../kit/postgres.ts';

// Processes are started here; on a busy machine that takes its time.
setDefaultTimeout(60_000);

const log = createLog('silent');
let database: TestDatabase;
let sql: Sql;
let directory: string;

beforeEach(async () => {
  database = await emptyDatabase();
  sql = createSql({ address: database.address, max: 1, log });
  directory = mkdtempSync(join(tmpdir(), 'streamspace-migrations-'));
  write('0001_words.sql', "create table words (word text);\ninsert into words values ('one');\n");
});

afterEach(async () => {
  await sql.end();
  await database.drop();
  rmSync(directory, { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
const run = () => migrate({ address: database.address, log, directory });
const words = async () => (await sql.query('select word from words')).map((row) => row.word);

describe('migrate', () => {
  test('runs the core’s own migrations on an empty database', async () => {
    const own = readdirSync(join(import.meta.dir, '../../migrations')).sort();
    expect(await migrate({ address: database.address, log })).toEqual(own);
    expect(await migrate({ address: database.address, log })).toEqual([]);
  });

  test('runs each file once, in order, also those that come later', async () => {
    write('0002_more.sql', "insert into words values ('two');");
    expect(await run()).toEqual(['0001_words.sql', '0002_more.sql']);
    expect(await run()).toEqual([]);
    write('0003_last.sql', "insert into words values ('three');");
    expect(await run()).toEqual(['0003_last.sql']);
    expect(await words()).toEqual(['one', 'two', 'three']);
  });

  test('cores that start together run each file once', async () => {
    const ran = await Promise.all(Array.from({ length: 5 }, run));
    expect(ran.flat()).toEqual(['0001_words.sql']);
    expect(await words()).toEqual(['one']);
  });

  test('refuses a file that has changed since it ran', async () => {
    await run();
    write('0001_words.sql', 'create table words (word text, extra text);');
    expect(run()).rejects.toThrow(/migrations\/0001_words\.sql has changed since it ran/);
  });

  test('a file that fails leaves nothing, and its error has the line', async () => {
    write('0002_more.sql', "insert into words values ('two');\n\ninsert into wrods values ('three');\n");
    expect(run()).rejects.toThrow('migrations/0002_more.sql:3 failed: relation "wrods" does not exist');
    expect(await words()).toEqual(['one']);
    write('0002_more.sql', "insert into words values ('two');");
    expect(await run()).toEqual(['0002_more.sql']);
  });

  test('refuses a misnamed file', () => {
    write('more.sql', 'select 1;');
    expect(run()).rejects.toThrow(/more\.sql is misnamed/);
  });

  test('warns of migrations that it does not know, and goes on', async () => {
    await run();
    rmSync(join(directory, '0001_words.sql'));
    const lines: string[] = [];
    const heard = createLog('warn', { write: (line) => void lines.push(line) });
    expect(await migrate({ address: database.address, log: heard, directory })).toEqual([]);
    expect(lines.join('')).toContain('0001_words.sql');
  });
});
