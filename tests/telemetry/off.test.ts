import { expect, test } from 'bun:test';
import { dirname, join } from 'node:path';

const SRC = join(import.meta.dir, '../../src');

/** Packages that are loaded with a module: its own imports and those of what it imports, but for `import()` and types. */
async function loadedWith(entry: string): Promise<Set<string>> {
  const transpiler = new Bun.Transpiler({ loader: 'ts' });
  const packages = new Set<string>();
  const seen = new Set([entry]);
  for (const file of seen) {
    for (const { kind, path } of transpiler.scanImports(await Bun.file(file).text())) {
      if (kind !== 'import-statement') continue;
      if (!path.startsWith('.')) packages.add(path);
      else if (path.endsWith('.ts')) seen.add(join(dirname(file), path));
    }
  }
  return packages;
}

test('a core that does not trace has no OpenTelemetry in memory', async () => {
  const packages = await loadedWith(join(SRC, 'main.ts'));
  expect(packages.has('kysely')).toBe(true);
  expect([...packages].filter((name) => name.startsWith('@opentelemetry/'))).toEqual([]);
  expect(await loadedWith(join(SRC, 'telemetry/tracing.ts'))).toContain('@opentelemetry/sdk-trace');
});
