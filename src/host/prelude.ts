import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Glob } from 'bun';

const ROOT = resolve(import.meta.dir, '../..');
const ENTRY = join(ROOT, 'runtime/guest/main.ts');
/** What the prelude is made of; npm packages are pinned by the lock file. */
const SOURCES = ['runtime/{guest,protocol}/**/*.ts', 'sandbox-apis/**/*.ts', 'src/host/prelude-build.ts', 'bun.lock'];

/**
 * The script that makes an isolate ready for a plugin, from the cache or built anew. It is built in a process of its own:
 * there esbuild reads our source as it likes, while the one of this process is confined for the source of plugins
 * (src/packages/bundle-service.ts), and the library has one process for all its users.
 *
 * @param entry absolute path of the module whose evaluation boots the isolate
 * @returns JSON of `PreludeText` (prelude-build.ts), for the host's `boot` message
 * @throws Error with what the build said
 */
export async function loadPrelude(cacheDir: string, entry: string = ENTRY): Promise<string> {
  const file = join(cacheDir, `${await digestOf(entry)}.json`);
  const cached = await readFile(file, 'utf8').catch(() => null);
  if (cached !== null) return cached;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'prelude-build.ts'), entry], {
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [code, said, exit] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (exit !== 0) throw new Error(`the prelude was not built: ${said}`);
  await mkdir(cacheDir, { recursive: true });
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, code);
  await rename(temporary, file);
  return code;
}

async function digestOf(entry: string): Promise<string> {
  const files = SOURCES.flatMap((pattern) => [...new Glob(pattern).scanSync({ cwd: ROOT })]).sort();
  const contents = await Promise.all([...files, entry].map((file) => readFile(resolve(ROOT, file))));
  const hash = createHash('sha256');
  for (const content of contents) hash.update(`${content.length}\n`).update(content);
  return hash.digest('hex');
}
