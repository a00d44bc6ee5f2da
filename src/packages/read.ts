import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { listPackage, reachedPackages } from './dependencies.ts';
import { FileCollector, fileTooLarge, unpackedTooLarge } from './files.ts';
import { PACKAGE_LIMITS } from './limits.ts';
import { isIgnored, packageInvalid, packageTooLarge, quotePath } from './paths.ts';
import { TarShape } from './tar-shape.ts';

/** Types for the author's editor; the host has its own. */
const SDK = 'node_modules/@streamspace';

/** The files of a package in memory; nothing of it is ever written to the core's disk as files. */
export interface PackageFiles {
  /** Path relative to the package's root (`/` between names) -> content; sorted by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** SHA-256 (hex) of paths and contents, whatever the archive's metadata. */
  readonly digest: string;
  /** Bytes of all contents. */
  readonly bytes: number;
}

/**
 * Reads a `.tar.gz` (RFC 1952, POSIX ustar/pax or GNU tar) under PACKAGE_LIMITS while it streams in. Files and folders
 * only; one top-level folder around everything is taken off; dot files and editor backups are left out.
 * @throws CodedError `package_invalid`, `package_too_large`; the source is cancelled then.
 */
export async function readArchive(source: Uint8Array | ReadableStream<Uint8Array>): Promise<PackageFiles> {
  const collector = new FileCollector();
  const shape = new TarShape();
  const packed = new PackedInput(source);
  const tar = extract();
  const unpack = pipeline(
    Readable.from(packed.chunks(), { objectMode: false }),
    createGunzip(),
    capped(packed, shape),
    tar,
  );
  const outcomes = await Promise.allSettled([collect(tar, shape, collector), unpack]);
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  if (failures.length > 0) throw failures.find((failure) => failure instanceof CodedError) ?? unreadable(failures);
  shape.verify();
  return collector.finish();
}

async function collect(tar: ReturnType<typeof extract>, shape: TarShape, collector: FileCollector): Promise<void> {
  for await (const entry of tar) {
    const { name, type, size = 0 } = entry.header;
    // Not in the types of tar-stream: where the content begins in the stream.
    shape.entry((entry.header as { byteOffset?: number }).byteOffset ?? 0, size);
    if (type === 'directory') {
      if (size !== 0) throw packageInvalid(`The folder ${quotePath(name)} claims to have content`);
      collector.addFolder(name);
      entry.resume();
      continue;
    }
    if (type !== 'file')
      throw packageInvalid(
        `The entry ${quotePath(name)} is a ${type ?? 'special entry'}; only files and folders are taken`,
      );
    const keep = collector.addFile(name, size);
    const content = new Uint8Array(size);
    let at = 0;
    for await (const chunk of entry as AsyncIterable<Uint8Array>) {
      content.set(chunk, at);
      at += chunk.length;
    }
    keep?.(content);
  }
}

/** The compressed side: counted, capped, and its last bytes kept. */
class PackedInput {
  readonly #source: Uint8Array | ReadableStream<Uint8Array>;
  bytes = 0;
  tail: Buffer = Buffer.alloc(0);

  constructor(source: Uint8Array | ReadableStream<Uint8Array>) {
    this.#source = source;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#source instanceof Uint8Array ? [this.#source] : this.#source) {
      this.bytes += chunk.byteLength;
      if (this.bytes > PACKAGE_LIMITS.archiveBytes) {
        throw packageTooLarge(`The archive is over ${PACKAGE_LIMITS.archiveBytes} bytes`, PACKAGE_LIMITS.archiveBytes);
      }
      this.tail = Buffer.concat([this.tail, chunk.subarray(-4)]).subarray(-4);
      yield chunk;
    }
  }
}

function capped(packed: PackedInput, shape: TarShape) {
  return async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let unpacked = 0;
    for await (const chunk of chunks) {
      unpacked += chunk.length;
      if (unpacked > PACKAGE_LIMITS.unpackedBytes) throw unpackedTooLarge();
      if (unpacked > PACKAGE_LIMITS.ratioFloorBytes && unpacked > packed.bytes * PACKAGE_LIMITS.ratio) {
        throw packageTooLarge(
          `The archive unpacks to more than ${PACKAGE_LIMITS.ratio} times its size`,
          PACKAGE_LIMITS.ratio,
        );
      }
      shape.see(chunk);
      yield chunk;
    }
    // gunzip has checked each member's length; when the last one's is the whole's, it was the only one with content.
    if (packed.tail.length < 4 || packed.tail.readUInt32LE() !== unpacked) {
      throw packageInvalid('The archive has data after its end, or is several gzip files in one');
    }
  };
}

function unreadable(failures: unknown[]): CodedError {
  const reasons = [
    ...new Set(failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)))),
  ];
  return packageInvalid(`The archive is not a complete .tar.gz: ${reasons.join('; ')}`);
}

/**
 * Reads a package from a folder: regular files only, under the same caps; dot files and editor backups are left out. Of
 * node_modules it takes what the package.json needs when the plugin runs, and all of it when there is no package.json but
 * for the types of the SDK.
 * @throws CodedError `package_invalid` (a link, a device, no such folder), `package_too_large`
 */
export async function readFolder(dir: string): Promise<PackageFiles> {
  const collector = new FileCollector();
  const pending: (() => Promise<void>)[] = [];
  const packages = await reachedPackages((path) => readManifestFile(dir, path));
  await list(dir, '', collector, pending, packages === null ? [SDK] : ['node_modules']);
  for (const path of packages ?? []) {
    for (const file of await listPackage(dir, path)) pending.push(() => readOne(dir, file, collector));
  }
  const workers = Array.from({ length: PACKAGE_LIMITS.parallelReads }, async () => {
    for (let job = pending.pop(); job !== undefined; job = pending.pop()) await job();
  });
  await Promise.all(workers);
  return collector.finish();
}

async function list(
  dir: string,
  below: string,
  collector: FileCollector,
  pending: (() => Promise<void>)[],
  without: readonly string[],
): Promise<void> {
  const entries = await readdir(join(dir, below), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw packageInvalid(`The folder ${quotePath(below || dir)} cannot be read: ${error.code ?? error.message}`);
  });
  const folders: string[] = [];
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (isIgnored(entry.name) || without.includes(path)) continue;
    if (entry.isDirectory()) {
      collector.addFolder(path);
      folders.push(path);
    } else if (entry.isFile()) {
      pending.push(() => readOne(dir, path, collector));
    } else {
      throw packageInvalid(
        `${quotePath(path)} is a ${entry.isSymbolicLink() ? 'symbolic link' : 'special file'}; only files and folders are taken`,
      );
    }
  }
  await Promise.all(folders.map((folder) => list(dir, folder, collector, pending, without)));
}

async function readOne(dir: string, path: string, collector: FileCollector): Promise<void> {
  await openRegular(dir, path, async (size, read) => {
    const keep = collector.addFile(path, size);
    keep?.(await read());
  });
}

/** The bytes of a package.json, or null when it is not there. */
function readManifestFile(dir: string, path: string): Promise<Uint8Array | null> {
  return openRegular(dir, path, (size, read) => {
    if (size > PACKAGE_LIMITS.fileBytes) throw fileTooLarge(path);
    return read();
  });
}

/** Opens a regular file and hands its size and its bytes on; null when it is gone. */
async function openRegular<T>(
  dir: string,
  path: string,
  use: (size: number, read: () => Promise<Uint8Array>) => Promise<T>,
): Promise<T | null> {
  // O_NOFOLLOW and O_NONBLOCK: what became a link or a fifo since it was listed is neither followed nor waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(join(dir, path), flags).catch((error: NodeJS.ErrnoException) => {
    // An editor's temporary file that is gone again is not part of the folder any more.
    if (error.code === 'ENOENT') return null;
    throw packageInvalid(`The file ${quotePath(path)} cannot be read: ${error.code ?? error.message}`);
  });
  if (file === null) return null;
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw packageInvalid(`${quotePath(path)} is not a regular file`);
    return await use(stat.size, async () => {
      const { buffer, bytesRead } = await file.read(new Uint8Array(stat.size), 0, stat.size, 0);
      if (bytesRead !== stat.size) throw packageInvalid(`The file ${quotePath(path)} changed while it was read`);
      return buffer;
    });
  } finally {
    await file.close();
  }
}
