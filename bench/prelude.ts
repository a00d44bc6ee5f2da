/**
 * What the web platform costs an isolate: `bun bench/prelude.ts`. Makes 100 isolates in the pinned Node without and with
 * the prelude, then times the way of a request inside one of them. Medians; run it on a quiet machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPrelude } from '../src/host/prelude.ts';

const root = join(import.meta.dir, '..');
const entry = process.argv[2] ?? join(root, 'tests/kit/prelude-entry.ts');
const directory = mkdtempSync(join(tmpdir(), 'bench-prelude-'));
const start = performance.now();
const code = await loadPrelude(directory, entry);
console.log(`build ${(performance.now() - start).toFixed(0)} ms, ${code.length} characters`);

const file = join(directory, 'prelude.json');
writeFileSync(file, code);
const node = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
for (const mode of ['bare', 'cold', 'warm']) {
  Bun.spawnSync([node, '--no-node-snapshot', join(import.meta.dir, 'prelude-isolates.cjs'), file, mode], {
    stdout: 'inherit',
    stderr: 'inherit',
  });
}
rmSync(directory, { recursive: true });
