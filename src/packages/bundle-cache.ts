import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../log.ts';
import type { Bundle } from './bundle.ts';
import { BUNDLE_LIMITS } from './limits.ts';

const SUFFIX = '.bundle';
/** Writes between two looks at how many entries there are. */
const WRITES_PER_SWEEP = 32;

/**
 * Bundles on disk by the digest of what they were made from. A file is its own digest (64 hex characters, over the key
 * and the rest), a JSON line with the lengths and warnings, the code and the map; what does not match is not used.
 */
export class BundleCache {
  readonly #dir: string;
  readonly #log: Log;
  #writes = 0;

  constructor(dir: string, log: Log) {
    this.#dir = dir;
    this.#log = log;
  }

  /** The bundle of that digest, or null when there is none that is whole. */
  async get(digest: string): Promise<Bundle | null> {
    let bytes: Buffer;
    try {
      bytes = await readFile(join(this.#dir, digest + SUFFIX));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn({ error, digest }, 'bundle cache cannot be read');
      return null;
    }
    const bundle = decode(digest, bytes);
    if (bundle === null) this.#log.warn({ digest }, 'bundle cache entry is damaged; it is made anew');
    return bundle;
  }

  /** Keeps a bundle; a disk that refuses costs speed, not function. */
  async put(bundle: Bundle): Promise<void> {
    const file = join(this.#dir, bundle.digest + SUFFIX);
    const temporary = `${file}.${randomUUID()}.tmp`;
    try {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      await writeFile(temporary, encode(bundle), { mode: 0o600 });
      await rename(temporary, file);
      if (this.#writes++ % WRITES_PER_SWEEP === 0) await this.#sweep();
    } catch (error) {
      // A temporary file that is left goes when the folder is swept.
      this.#log.warn({ error, digest: bundle.digest }, 'bundle cache cannot be written');
    }
  }

  async #sweep(): Promise<void> {
    const names = await readdir(this.#dir);
    if (names.length <= BUNDLE_LIMITS.cacheEntries) return;
    const entries = await Promise.all(
      names.map(async (name) => ({ name, at: (await stat(join(this.#dir, name)).catch(() => null))?.mtimeMs ?? 0 })),
    );
    entries.sort((a, b) => b.at - a.at);
    await Promise.all(
      entries.slice(BUNDLE_LIMITS.cacheEntries).map(({ name }) => rm(join(this.#dir, name), { force: true })),
    );
  }
}

function encode({ digest, code, map, warnings }: Bundle): Buffer {
  const body = [Buffer.from(code), Buffer.from(map)];
  const head = Buffer.from(`${JSON.stringify({ code: body[0]?.length, map: body[1]?.length, warnings })}\n`);
  const rest = Buffer.concat([head, ...body]);
  return Buffer.concat([Buffer.from(checksum(digest, rest)), rest]);
}

function decode(digest: string, bytes: Buffer): Bundle | null {
  const rest = bytes.subarray(64);
  if (bytes.subarray(0, 64).toString('latin1') !== checksum(digest, rest)) return null;
  const headEnd = rest.indexOf(0x0a) + 1;
  const head: { code: number; map: number; warnings: string[] } = JSON.parse(rest.subarray(0, headEnd).toString());
  const mapStart = headEnd + head.code;
  return {
    digest,
    code: rest.subarray(headEnd, mapStart).toString(),
    map: rest.subarray(mapStart, mapStart + head.map).toString(),
    warnings: head.warnings,
  };
}

function checksum(digest: string, rest: Buffer): string {
  return createHash('sha256').update(digest).update(rest).digest('hex');
}
