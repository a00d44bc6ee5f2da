import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { version } from '../../package.json' with { type: 'json' };
import { buildGlobals } from './build-globals.ts';
import { buildIndex } from './build-index.ts';
import { buildNode } from './build-node.ts';
import { SDK_FOLDER } from './files.ts';
import { openSources } from './syntax.ts';

const HERE = import.meta.dirname;
const MODULES = join(HERE, '../../node_modules');

/**
 * The files of the package `@streamspace/sdk`: name -> text. They are made of the rooms (sandbox-apis/), of TypeScript's
 * own libraries and of source/, so a test can tell whether what is in the repository is up to date.
 */
export async function buildTypes(): Promise<ReadonlyMap<string, string>> {
  const sources = await openSources(join(HERE, 'source/tsconfig.json'));
  try {
    return new Map([
      ['LICENSE', await licence()],
      ['README.md', README],
      ['globals.d.ts', await buildGlobals(sources)],
      ['index.d.ts', await buildIndex(sources)],
      ['index.js', INDEX],
      ['kysely.d.ts', await readFile(join(HERE, 'source/kysely.d.ts'), 'utf8')],
      ['kysely.js', await javaScript(join(HERE, '../../sandbox-apis/database/kysely.ts'))],
      ['node.d.ts', await buildNode(sources, await readFile(join(HERE, 'source/node.d.ts'), 'utf8'))],
      ['package.json', PACKAGE],
      ['sockets.d.ts', SOCKETS],
    ]);
  } finally {
    await sources.close();
  }
}

const README = `# @streamspace/sdk

The types of what a StreamSpace plugin has: the global \`streamspace\`, the web platform, and nothing of browsers, Node or
Bun. In \`tsconfig.json\`:

\`\`\`json
{ "compilerOptions": { "lib": ["ESNext"], "types": ["@streamspace/sdk"], "module": "Preserve" } }
\`\`\`

Written by \`streamspace plugin create\` and \`streamspace plugin types\`; \`definePlugin\` is its only value, and the host has
its own. \`@streamspace/sdk/kysely\` is a dialect of [Kysely](https://kysely.dev), which the plugin has to bring.
`;

/** What a plugin's bundle gets, and programs that run its files without a host, such as a unit test. */
const INDEX = `export function definePlugin(plugin) {
  return plugin;
}
`;

const PACKAGE = `${JSON.stringify(
  {
    name: '@streamspace/sdk',
    version,
    description: 'Types of what a StreamSpace plugin has.',
    license: 'Apache-2.0 AND MIT',
    type: 'module',
    types: './index.d.ts',
    exports: {
      '.': { types: './index.d.ts', default: './index.js' },
      './kysely': { types: './kysely.d.ts', default: './kysely.js' },
    },
    peerDependencies: { kysely: '>=0.28' },
    peerDependenciesMeta: { kysely: { optional: true } },
    sideEffects: false,
  },
  null,
  2,
)}\n`;

/** The name under which libraries for other platforms ask for `connect`. */
const SOCKETS = `declare module 'cloudflare:sockets' {
  import type { ConnectApi, Socket, SocketAddress, SocketInfo, SocketOptions } from '@streamspace/sdk';

  /** The same as \`streamspace.connect\`. */
  export const connect: ConnectApi;
  export type { Socket, SocketAddress, SocketInfo, SocketOptions };
}
`;

/** A module of ours without its types; it stands by itself. */
async function javaScript(path: string): Promise<string> {
  const transpiler = new Bun.Transpiler({ loader: 'ts', target: 'browser' });
  return transpiler.transformSync(await readFile(path, 'utf8'));
}

async function licence(): Promise<string> {
  const apache = await readFile(join(MODULES, 'typescript/LICENSE'), 'utf8');
  const mit = await readFile(join(MODULES, '@types/node/LICENSE'), 'utf8');
  return `index.d.ts, index.js, kysely.d.ts, kysely.js, sockets.d.ts: StreamSpace, under the Apache License 2.0.
globals.d.ts: from TypeScript's lib.webworker.d.ts, Copyright (c) Microsoft Corporation, under the Apache License 2.0;
changed: declarations were taken out and some replaced.
node.d.ts: from @types/node (DefinitelyTyped), Copyright (c) Microsoft Corporation, under the MIT License; changed likewise.

${apache.trim()}

---

${mit.trim()}
`;
}

/** Writes the package anew, to where it is kept. */
async function writeTypes(): Promise<void> {
  const files = await buildTypes();
  await rm(SDK_FOLDER, { recursive: true, force: true });
  for (const [name, text] of files) await Bun.write(join(SDK_FOLDER, name), text);
}

if (import.meta.main) await writeTypes();
