import { expect, setDefaultTimeout, test } from 'bun:test';
import type { DbSocket } from '../../src/db/client.ts';
import { readMigrations } from '../../src/db/migrate.ts';
import { tempFolder } from '../kit/plugin.ts';
import { emptyDatabase } from '../kit/postgres.ts';
import { urlOf } from '../kit/start-core.ts';
import { streamspace } from './run.ts';

setDefaultTimeout(60_000);

test('migrate brings the database of DATABASE_URL to the newest schema, once', async () => {
  await using folder = await tempFolder();
  const database = await emptyDatabase();
  try {
    const env = { DATABASE_URL: urlOf(database.address as DbSocket), LOG_LEVEL: 'silent' };
    const all = await readMigrations();
    const first = await streamspace(['migrate'], { cwd: folder.path, env });
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toStartWith(`${all.length} migrations ran: ${all[0]?.name}`);
    const second = await streamspace(['migrate'], { cwd: folder.path, env });
    expect(second).toMatchObject({ code: 0, out: 'The schema is the newest already.\n' });
  } finally {
    await database.drop();
  }
});

test('migrate needs a database of its own', async () => {
  await using folder = await tempFolder();
  const { code, err } = await streamspace(['migrate'], { cwd: folder.path });
  expect(code).toBe(2);
  expect(err).toContain('DATABASE_URL is not set');
});
