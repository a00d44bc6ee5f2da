import type { Command } from 'commander';
import { assertDatabaseRestored } from '../../backup/marker.ts';
import { loadConfig } from '../../config.ts';
import { migrate } from '../../db/migrate.ts';
import { createLog } from '../../log.ts';
import { EXIT_USAGE, Failure } from '../failure.ts';
import { say } from '../terminal.ts';

/** `streamspace migrate`: what a core does at its start, before any core of this version starts. */
export function addMigrate(parent: Command): void {
  parent
    .command('migrate')
    .description('bring the database of DATABASE_URL to the newest schema; cores that run go on')
    .action(migrateDatabase);
}

async function migrateDatabase(): Promise<void> {
  const { databaseUrl, logLevel } = loadConfig(process.env);
  if (databaseUrl === null) {
    throw new Failure('DATABASE_URL is not set', {
      help: 'The embedded database is migrated when the core starts.',
      exitCode: EXIT_USAGE,
    });
  }
  const log = createLog(logLevel);
  const address = { url: databaseUrl };
  await assertDatabaseRestored(address, log);
  const ran = await migrate({ address, log });
  say(ran.length === 0 ? 'The schema is the newest already.' : `${ran.length} migrations ran: ${ran.join(', ')}`);
}
