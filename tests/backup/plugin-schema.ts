import { Client } from 'pg';
import { REVOKES } from '../../src/databases/revokes.ts';
import type { DbSocket } from '../../src/db/client.ts';
import { emptyDatabase, type TestDatabase } from '../kit/postgres.ts';

export interface PluginSchema extends AsyncDisposable {
  /** Runs SQL as its owner. */
  run(sql: string): Promise<void>;
  rows(sql: string): Promise<Record<string, unknown>[]>;
  /** A connection as its owner, ended with it. */
  connect(): Promise<Client>;
}

let roles = 0;

/** A database as a plugin has it: an empty schema `plugin`, and a role that owns it and nothing else. */
export async function pluginSchema(): Promise<PluginSchema> {
  const database: TestDatabase = await emptyDatabase();
  const { socketDir: host, port, user, password, database: name } = database.address as DbSocket;
  const role = `owner_${process.pid}_${++roles}`;
  const admin = new Client({ host, port, user, password, database: name });
  await admin.connect();
  await admin.query(`create role ${role} login password 'secret' nosuperuser;
    create schema plugin authorization ${role}; revoke all on schema public from public;
    revoke all on database ${name} from public; grant connect on database ${name} to ${role};
    alter role ${role} in database ${name} set search_path = plugin`);
  await admin.query(REVOKES);
  const clients: Client[] = [];
  const connect = async (): Promise<Client> => {
    const client = new Client({ host, port, user: role, password: 'secret', database: name });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  };
  const own = await connect();
  return {
    connect,
    async run(sql) {
      await own.query(sql);
    },
    async rows(sql) {
      return (await own.query(sql)).rows;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role]);
      await admin.query(`drop owned by ${role} cascade; drop role ${role}`);
      await admin.end();
      await database.drop();
    },
  };
}
