import { expect, test } from 'bun:test';
import { chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDb } from '../../src/db/client.ts';
import { startEmbedded } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createLog } from '../../src/log.ts';
import { testCaller } from '../kit/caller.ts';
import { testCertificate } from '../kit/certificate.ts';
import { testDatabases } from '../kit/databases.ts';

const log = createLog('silent');

/** A port that was free a moment ago: PostgreSQL takes none of the system's choice. */
function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  listener.stop();
  return listener.port;
}

test('over TLS, as DATABASE_URL may ask, the limits of the wire and the cancelling hold as well', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'streamspace-tls-'));
  const data = join(dataDir, 'postgres', 'data');
  await (await startEmbedded({ dataDir, log, durable: false })).stop();
  const { cert, key } = await testCertificate(['localhost', '127.0.0.1']);
  const { uid, gid } = await stat(data);
  for (const [name, text] of [
    ['server.crt', cert],
    ['server.key', key],
    ['pg_hba.conf', 'local all all scram-sha-256\nhostssl all all all scram-sha-256\n'],
  ] as const) {
    await writeFile(join(data, name), text, { mode: 0o600 });
    await chown(join(data, name), uid, gid);
  }
  const port = freePort();
  const settings = { listen_addresses: '127.0.0.1', port: String(port), ssl: 'on' };
  const server = await startEmbedded({ dataDir, log, durable: false, settings });
  const { user, password } = server.address;
  const trust = `sslmode=verify-full&sslrootcert=${encodeURIComponent(join(data, 'server.crt'))}`;
  const address = { url: `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/postgres?${trust}` };
  const db = createDb({ address, max: 4, log });
  try {
    await migrate({ address, log });
    const core = { db, address, drop: async () => undefined };
    await using world = await testDatabases({ core });
    await world.provide('plugin');
    expect((await world.run('plugin', 'select inet_server_port()')).rows).toEqual([[String(port)]]);
    const large = world.run('plugin', "select repeat('x', 50000000)").catch((error: unknown) => error);
    expect(await large).toMatchObject({ code: 'database_result_too_large' });
    const { caller, abort } = testCaller({ plugin: 'plugin' });
    const endless = world.databases.run(caller, { sql: 'select pg_sleep(100)', params: [] }, null);
    const outcome = endless.catch((error: unknown) => String(error));
    abort(new Error('late'));
    expect(await outcome).toContain('late');
  } finally {
    await db.destroy();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});
