import pg from 'pg';
import type { DbAddress } from '../db/client.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';

/** As whom to reach which database of a server. */
export interface Login {
  readonly role: string;
  readonly password: string;
  readonly database: string;
}

/**
 * How values look on the wire, and what a connection starts with and is reset to. A client's own settings win over those
 * that a role gave itself (`alter role .. set`).
 */
const SETTINGS: Readonly<Record<string, string>> = {
  search_path: 'plugin',
  DateStyle: 'ISO,MDY',
  IntervalStyle: 'iso_8601',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read\\ committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // Nobody reads notices; this way most are not even sent.
  client_min_messages: 'error',
  // The core's clock decides; these end what a core left that is no more.
  statement_timeout: String(LIMITS.streamMs),
  idle_in_transaction_session_timeout: String(LIMITS.streamMs),
  client_connection_check_interval: '5000',
};

/**
 * Configuration of a client for a plugin's database on the server where the core's own is.
 * @throws Error when it would be a client of anybody else: pg fills what it does not find from the environment
 */
export function clientConfig(address: DbAddress, login: Login): pg.ClientConfig {
  const { role, password, database } = login;
  const common = {
    application_name: 'streamspace-plugin',
    keepAlive: true,
    connectionTimeoutMillis: LIMITS.connectMs,
    options: Object.entries(SETTINGS)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  };
  if (!('url' in address)) {
    return { ...common, host: address.socketDir, port: address.port, user: role, password, database, ssl: false };
  }
  const config = { ...common, connectionString: withLogin(address.url, login) };
  const client = new pg.Client(config);
  if (client.user !== role || client.password !== password || client.database !== database) {
    throw new Error('DATABASE_URL is of a form in which no other role and database can be named');
  }
  return config;
}

/** What the URL says of the server stays, such as its certificate. As parameters they count in a URL without a host too. */
function withLogin(text: string, { role, password, database }: Login): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.pathname = `/${database}`;
  for (const name of ['database', 'dbname', 'db', 'options', 'application_name']) url.searchParams.delete(name);
  url.searchParams.set('user', role);
  url.searchParams.set('password', password);
  return url.href;
}

/**
 * Asks the server to cancel what a connection is running; it needs no privilege but the connection's own key.
 *
 * @param config of any client of that server
 */
export function requestCancel(config: pg.ClientConfig, running: pg.Client): Promise<void> {
  const { processID, secretKey } = running as unknown as { readonly processID: number; readonly secretKey: number };
  const client = new pg.Client(config);
  const connection = client.connection as unknown as Cancelling;
  return new Promise((resolve) => {
    const timer = setTimeout(() => connection.stream.destroy(), LIMITS.cancelMs);
    const ask = (): void => connection.cancel(processID, secretKey);
    connection.on('connect', () => (client.ssl ? connection.requestSsl() : ask()));
    connection.on('sslconnect', ask);
    // Whether it was heard shows in the statement; if not, its connection is ended.
    connection.on('error', () => undefined);
    connection.on('end', () => {
      clearTimeout(timer);
      resolve();
    });
    if (client.host.startsWith('/')) connection.connect(`${client.host}/.s.PGSQL.${client.port}`);
    else connection.connect(client.port, client.host);
  });
}

/** What of pg's connection is in no type. */
interface Cancelling {
  readonly stream: { destroy(): void };
  on(event: 'connect' | 'sslconnect' | 'error' | 'end', listener: () => void): void;
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, key: number): void;
}
