import type { Api, ApiAnswer } from '../api-client.ts';
import { type PluginSource, pluginPackage } from '../plugin.ts';
import { until } from '../until.ts';

// The plugin that is torn at. Everything that it keeps is filled with the letter of a number, so that a state between two
// numbers shows.

/** Characters of the stored value and of the file: enough that writing them takes some messages. */
const VALUE_CHARS = 200_000;
const FILE_CHARS = 600_000;
/** Rows of its tables. */
const ROWS = 1_000;

/** What is seen of a plugin, in each place where a change leaves something. */
export interface Snapshot {
  readonly version: string;
  readonly displayName: string;
  readonly config: unknown;
  readonly state: string;
  /** The version that answers. */
  readonly runs: string;
  /** The version whose `onLoad` wrote into the database last. */
  readonly loaded: string;
  /** What the key of `storage`, the file, and the rows of the tables hold. */
  readonly value: string;
  readonly file: string;
  readonly ledger: string;
  readonly notes: string;
  /** Columns of the table that migrations widen. */
  readonly columns: string;
  /** Migrations that are recorded. */
  readonly migrations: number;
}

const letterOf = (number: number): string => String.fromCharCode(97 + (number % 26));
const versionOf = (number: number): string => `1.0.${number}`;

/** At which number each part of the plugin is. */
export interface Parts {
  readonly code?: number;
  readonly config?: number;
  readonly value?: number;
  readonly file?: number;
  readonly ledger?: number;
  /** Of the schema: what migrations made of it. */
  readonly schema?: number;
}

/** The snapshot of a plugin whose parts are at these numbers, else at 0. */
export function expected({ code = 0, config = 0, value = 0, file = 0, ledger = 0, schema = 0 }: Parts): Snapshot {
  return {
    version: versionOf(code),
    displayName: `Number ${code}`,
    config: { number: config },
    state: 'active',
    runs: versionOf(code),
    loaded: versionOf(code),
    value: `${letterOf(value)} ${VALUE_CHARS}`,
    file: `${letterOf(file)} ${FILE_CHARS}`,
    ledger: `${letterOf(ledger)} ${ROWS}`,
    notes: `${letterOf(schema)} ${ROWS}`,
    columns: ['word', ...Array.from({ length: schema }, (_, at) => `c${at + 1}`)].join(),
    migrations: schema + 1,
  };
}

/** The migration that leads to a number; rows are written anew, so that it takes its time. */
function migration(number: number): string {
  if (number > 0)
    return `alter table notes add column c${number} int default ${number};\nupdate notes set word = '${letterOf(number)}';`;
  return `
    create table loads (version text);
    create table ledger (word text);
    create table notes (word text);
    insert into notes select 'a' from generate_series(1, ${ROWS});`;
}

/** The plugin as its version `number` is. */
function source(name: string, number: number): PluginSource {
  const steps = Array.from({ length: number + 1 }, (_, at) => at);
  const migrations = steps.map((at) => [`migrations/${String(at).padStart(4, '0')}.sql`, migration(at)]);
  return {
    manifest: {
      name,
      version: versionOf(number),
      displayName: `Number ${number}`,
      permissions: ['database', 'files'],
      configSchema: { type: 'object', properties: { number: { type: 'integer' } } },
    },
    ...Object.fromEntries(migrations),
    'index.js': `
      const letter = (number) => String.fromCharCode(97 + (number % 26));
      const shown = (text) => [...new Set(text)].join('') + ' ' + text.length;
      export default {
        async onLoad({ api, storage, files, database }) {
          const set = (number) => storage.set('value', letter(number).repeat(${VALUE_CHARS}));
          const put = (number) => files.put('file', letter(number).repeat(${FILE_CHARS}));
          const book = (number) => database.transaction(async (tx) => {
            await tx.exec('delete from ledger');
            for (const half of [1, 2]) {
              await tx.exec('insert into ledger select $1 from generate_series(1, $2)', [letter(number), ${ROWS / 2}]);
            }
          });
          const migrate = (number) => database.migrate(
            'alter table notes add column c' + number + ' int default ' + number +
            "; update notes set word = '" + letter(number) + "';");
          const words = async (table) => {
            const rows = await database.query('select word, count(*) as n from ' + table + ' group by word order by word');
            return rows.map(({ word, n }) => word + ' ' + n).join();
          };

          await database.transaction(async (tx) => {
            await tx.exec('delete from loads');
            await tx.exec('insert into loads values ($1)', ['${versionOf(number)}']);
          });
          if ((await storage.get('value')) === null) await Promise.all([set(0), put(0), book(0)]);

          const open = { auth: 'public' };
          const changes = { set, put, book, migrate };
          for (const [change, begin] of Object.entries(changes)) {
            api.post('/' + change + '/:number', (_request, { params }) => begin(Number(params.number)).then(() => 'done'), open);
          }
          api.get('/state', async () => {
            const columns = await database.query(
              "select column_name as name from information_schema.columns where table_name = 'notes' order by ordinal_position");
            const [{ version }] = await database.query('select version from loads');
            const [{ n }] = await database.query('select count(*) as n from streamspace_migrations');
            const file = await files.get('file');
            return {
              runs: '${versionOf(number)}',
              loaded: version,
              value: shown(await storage.get('value')),
              file: shown(await file.text()),
              ledger: await words('ledger'),
              notes: await words('notes'),
              columns: columns.map(({ name }) => name).join(),
              migrations: n,
            };
          }, open);
        },
      };`,
  };
}

/** The package of a version; made once. */
export function packages(): (name: string, number: number) => Promise<Uint8Array> {
  const made = new Map<string, Promise<Uint8Array>>();
  return (name, number) => {
    const key = `${name}@${number}`;
    const known = made.get(key) ?? pluginPackage(source(name, number));
    made.set(key, known);
    return known;
  };
}

/** What is there of the plugin now; null when it is not installed. @throws Error when it does not answer */
export async function snapshotOf(core: Api, name: string): Promise<Snapshot | null> {
  const path = `/api/plugins/${name}`;
  const answered = async (): Promise<ApiAnswer | false> => {
    const answer = await core.api('GET', `${path}/state`, { token: null });
    // It was active until the core noticed that its process is gone.
    return answer.status !== 503 && answer;
  };
  const kept = await until(answered, `${name} is there again`);
  const shown = await core.api('GET', path);
  if (shown.status === 404 && kept.status === 404) return null;
  if (shown.status !== 200 || kept.status !== 200) {
    const { body } = await core.api('GET', `${path}/logs?follow=false`);
    throw new Error(`${name} answers ${shown.status}, and ${kept.status} ${JSON.stringify(kept.body)}: ${body}`);
  }
  const { version, displayName, config, state } = shown.body;
  return { version, displayName, config, state, ...kept.body };
}
