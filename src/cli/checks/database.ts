import type { Config } from '../../config.ts';
import { findBinaries } from '../../db/embedded/binaries.ts';
import { createSql } from '../../db/sql.ts';
import { createLog } from '../../log.ts';
import { type Finding, reason, run } from './check.ts';

/** The database that the core would use: the one of DATABASE_URL answers, or the embedded one is there and starts. */
export async function checkDatabase(config: Config): Promise<Finding> {
  return config.databaseUrl === null ? embedded() : external(config.databaseUrl);
}

async function embedded(): Promise<Finding> {
  try {
    const { initdb, postgres: server } = findBinaries();
    await run([initdb, '--version']);
    return { name: 'database', state: 'ok', detail: `embedded, ${await run([server, '--version'])}` };
  } catch (error) {
    return {
      name: 'database',
      state: 'fail',
      detail: reason(error),
      help: 'Run `bun install`, or set DATABASE_URL to a PostgreSQL of yours.',
    };
  }
}

async function external(url: string): Promise<Finding> {
  const sql = createSql({ address: { url }, max: 1, log: createLog('silent') });
  try {
    const [row] = await sql.query<{ version: string }>('select version()');
    return { name: 'database', state: 'ok', detail: `DATABASE_URL: ${row?.version}` };
  } catch (error) {
    return {
      name: 'database',
      state: 'fail',
      detail: `DATABASE_URL: ${reason(error)}`,
      help: 'Check the address, the password, and that the server lets this machine in.',
    };
  } finally {
    await sql.end();
  }
}
