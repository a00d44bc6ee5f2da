// Stands for a core, to be killed: starts PostgreSQL in the folder given, keeps a row, says its pid, and stays.
import { startEmbedded } from '../../src/db/embedded.ts';
import { createSql } from '../../src/db/sql.ts';
import { createLog } from '../../src/log.ts';

const log = createLog('silent');
const server = await startEmbedded({ dataDir: process.argv[2] ?? '', log });
const sql = createSql({ address: server.address, max: 1, log });
await sql.query("drop table if exists kept; create table kept as select 'still here' as word");
console.log(server.pid);
setInterval(() => undefined, 60_000);
