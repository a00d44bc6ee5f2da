import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { packArchive } from '../src/packages/pack.ts';
import { readFolder } from '../src/packages/read.ts';

/** The plugin whose calls into the core are measured. */
export const CALLER = 'bench-calls';
/** A row of a plugin's own table by its key. */
export const ONE_ROW = 'select id, name, amount from things where id = $1';
/** What is stored under each key. */
export const VALUE = { name: 'A thing of ordinary size', tags: ['new', 'blue'], amount: 1_234 };

const SOURCE = `import { definePlugin } from '@streamspace/sdk';
import { KEYS, repeat } from './repeat.ts';

const run = ({ query }, call) => repeat(Number(query.total), Number(query.atOnce), call).then((ms) => ({ ms }));

export default definePlugin({
  async onLoad({ api, database, storage }) {
    await storage.setMany(Array.from({ length: KEYS }, (_, n) => ({ key: \`key-\${n}\`, value: ${JSON.stringify(VALUE)} })));
    await database.exec('create table if not exists things (id integer primary key, name text, amount numeric)');
    await database.exec(
      "insert into things select n, 'thing ' || n, n * 1.5 from generate_series(0, $1::int) n on conflict do nothing",
      [KEYS],
    );
    api.get('/get', (_request, ctx) => run(ctx, (n) => storage.get(\`key-\${n % KEYS}\`)));
    api.get('/query', (_request, ctx) => run(ctx, (n) => database.query('${ONE_ROW}', [n % KEYS])));
  },
});
`;

/** Its package. */
export async function packCaller(dir: string): Promise<Uint8Array<ArrayBuffer>> {
  const folder = join(dir, CALLER);
  const manifest = {
    name: CALLER,
    version: '1.0.0',
    permissions: ['database'],
    limits: { cpuMsPerMinute: 60_000, hostCallsPerMinute: { storage: 600_000, database: 600_000 } },
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(folder, 'index.ts'), SOURCE);
  await writeFile(join(folder, 'repeat.ts'), await readFile(resolve(import.meta.dir, 'repeat.ts')));
  return new Uint8Array(await packArchive(await readFolder(folder)));
}
