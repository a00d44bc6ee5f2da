import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { packArchive } from '../src/packages/pack.ts';
import { readFolder } from '../src/packages/read.ts';
import { featureSource, indexSource, README } from './fixture-sources.ts';
import { greet, type Order, type OrderLine, priced } from './handlers.ts';
import type { LoadRequest } from './load-job.ts';
import { PERMISSION } from './product.ts';

/** What a plugin of the ordinary size is here: bytes of its files together. */
const PACKAGE_BYTES = 20_000;
/** Bytes of the JSON body that goes in, and, with its total, comes out. */
const BODY_BYTES = 10_240;

export interface Fixture {
  readonly name: string;
  readonly archive: Uint8Array<ArrayBuffer>;
  /** Bytes of its files. */
  readonly bytes: number;
}

export const fixtureName = (index: number): string => `bench-${String(index).padStart(3, '0')}`;

/** Writes a plugin into a folder: manifest, entry, the measured handlers, and features up to the ordinary size. */
export async function writeFixture(folder: string, name: string): Promise<void> {
  const files = new Map<string, string>([
    ['manifest.json', JSON.stringify(manifestOf(name), null, 2)],
    ['README.md', README],
    ['edition.ts', editionSource(0)],
    ['handlers.ts', await readFile(resolve(import.meta.dir, 'handlers.ts'), 'utf8')],
  ]);
  const features: string[] = [];
  for (;;) {
    files.set('index.ts', indexSource(name, PERMISSION, features));
    const size = [...files.values()].reduce((sum, text) => sum + text.length, 0);
    if (size >= PACKAGE_BYTES) break;
    const feature = `feature${features.length + 1}`;
    features.push(feature);
    files.set(`${feature}.ts`, featureSource(name, features.length));
  }
  await mkdir(folder, { recursive: true });
  await Promise.all([...files].map(([file, text]) => writeFile(join(folder, file), text)));
}

/** The file that an edit changes, and that `GET /edition` answers from. */
export function editionSource(edition: number): string {
  return `/** Changed by each edit. */\nexport const EDITION = ${edition};\n`;
}

/** A plugin, written to a folder below `dir` and packed. */
export async function packFixture(dir: string, name: string): Promise<Fixture> {
  const folder = join(dir, name);
  await writeFixture(folder, name);
  const pkg = await readFolder(folder);
  return { name, archive: new Uint8Array(await packArchive(pkg)), bytes: pkg.bytes };
}

function manifestOf(name: string): object {
  return {
    name,
    version: '1.0.0',
    displayName: `Bench ${name}`,
    description: 'A plugin of ordinary size, made by the bench',
    configSchema: {
      currency: { type: 'string', default: 'EUR' },
      threshold: { type: 'integer', default: 100, minimum: 0 },
    },
    permissions: ['sessions:read', 'users:read'],
    limits: { memoryMb: 64, cpuMsPerMinute: 60_000 },
  };
}

/** `GET /small` of a plugin, or of the bare server when there is no name. */
export function smallRequest(name: string | null, token: string): LoadRequest {
  return {
    method: 'GET',
    path: name === null ? '/small' : `/api/plugins/${name}/small`,
    headers: { authorization: `Bearer ${token}` },
    body: null,
    expect: JSON.stringify(greet(name ?? 'bare')),
  };
}

/** `POST /order` of a plugin, or of the bare server when there is no name. */
export function orderRequest(name: string | null, token: string): LoadRequest {
  const order = makeOrder();
  return {
    method: 'POST',
    path: name === null ? '/order' : `/api/plugins/${name}/order`,
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(order),
    expect: JSON.stringify(priced(order)),
  };
}

function makeOrder(): Order {
  const lines: OrderLine[] = [];
  const order = { id: 'f3b1c5d2', customer: 'Zoë Example', lines };
  for (let n = 1; JSON.stringify(order).length < BODY_BYTES; n += 1) {
    lines.push({
      sku: `sku-${1000 + n}`,
      name: `Product number ${n}`,
      quantity: (n % 7) + 1,
      price: (n * 1_313) % 9_973,
      gift: n % 3 === 0,
      tags: ['new', n % 2 === 0 ? 'blue' : 'green'],
    });
  }
  return order;
}
