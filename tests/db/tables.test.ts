import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { generateTables } from '../../src/db/codegen.ts';
import { testDatabase } from '../kit/postgres.ts';

test('src/db/tables.ts is what the migrations make (else: bun run db:types)', async () => {
  const { db, drop } = await testDatabase();
  try {
    const committed = await Bun.file(join(import.meta.dir, '../../src/db/tables.ts')).text();
    expect(await generateTables(db)).toBe(committed);
  } finally {
    await drop();
  }
});
