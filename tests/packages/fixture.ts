import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { createLog } from '../../src/log.ts';
import { type Bundle, type Bundler, createBundler } from '../../src/packages/bundle.ts';
import type { BundleIssue } from '../../src/packages/bundle-errors.ts';
import type { PackageFiles } from '../../src/packages/read.ts';

export const MANIFEST = '{"name":"greeter","version":"1.0.0"}';

/** A tar entry: a name for an empty file, a name with its text, or a whole header. */
export type Entry =
  | string
  | readonly [name: string, content: string | Uint8Array]
  | (Partial<Header> & { readonly name: string });

/** A tar of the entries, written as they are, however wrong. */
export async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const out = pack();
  for (const entry of entries) {
    if (typeof entry === 'string') out.entry({ name: entry }, '');
    else if (Array.isArray(entry)) out.entry({ name: entry[0] }, Buffer.from(entry[1]));
    else out.entry(entry as Partial<Header> & { name: string }, '');
  }
  out.finalize();
  return buffer(out);
}

/** The same, gzipped. */
export async function tarGz(entries: readonly Entry[]): Promise<Buffer> {
  return gzipSync(await tar(entries));
}

/** A package of these files. */
export function packageOf(files: Readonly<Record<string, string | Uint8Array>>): PackageFiles {
  const map = new Map(Object.entries(files).map(([path, content]) => [path, new Uint8Array(Buffer.from(content))]));
  const digest = createHash('sha256')
    .update(JSON.stringify([...map].map(([path, bytes]) => [path, [...bytes]])))
    .digest('hex');
  return { files: map, digest, bytes: [...map.values()].reduce((sum, bytes) => sum + bytes.length, 0) };
}

/** The CodedError that the promise or function fails with. */
export async function refusal(work: Promise<unknown> | (() => unknown)): Promise<CodedError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

export interface Workshop {
  readonly dir: string;
  readonly bundler: Bundler;
  /** Bundles files whose entry is the first of them. */
  bundle(files: Readonly<Record<string, string | Uint8Array>>): Promise<Bundle>;
  /** The problems that bundling them ends with. */
  issues(files: Readonly<Record<string, string | Uint8Array>>): Promise<BundleIssue[]>;
  close(): Promise<void>;
}

/** A bundler with a cache folder of its own. */
export async function openWorkshop(options: { deadlineMs?: number } = {}): Promise<Workshop> {
  const dir = await mkdtemp(join(tmpdir(), 'streamspace-bundle-'));
  const bundler = createBundler({ cacheDir: join(dir, 'cache'), log: createLog('silent'), ...options });
  const bundle: Workshop['bundle'] = (files) => {
    const [main = ''] = Object.keys(files);
    return bundler.bundle(packageOf(files), { entrypoints: { main } });
  };
  return {
    dir,
    bundler,
    bundle,
    async issues(files) {
      const error = await refusal(bundle(files));
      return error.extra.errors as BundleIssue[];
    },
    async close() {
      await bundler.stop();
      await rm(dir, { recursive: true });
    },
  };
}

/** Runs bundled code as the isolate does, without one. */
export function run<T = Record<string, unknown>>({ code }: Bundle): T {
  const module = { exports: {} };
  const require = (name: string) => {
    throw new Error(`require(${name})`);
  };
  new Function('module', 'exports', 'require', code)(module, module.exports, require);
  return module.exports as T;
}

/** The number of the esbuild process that this process has started (Linux). */
export async function esbuildPid(): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    // A process may end while the list is read.
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const [, name, parent] = /^\d+ \((.*)\) \S (\d+) /.exec(stat) ?? [];
    if (name === 'esbuild' && Number(parent) === process.pid) return Number(entry);
  }
  throw new Error('esbuild is not running');
}
