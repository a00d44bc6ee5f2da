import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stage } from '../context.ts';
import { editionSource, writeFixture } from '../fixtures.ts';
import { progress } from '../report.ts';
import { median, quantile, short } from '../stats.ts';
import { firstAnswer } from './install.ts';

const NAME = 'bench-live';
const WARM_UP = 2;
/** Milliseconds until an edit has to be live. */
const LIVE_MS = 10_000;
/** Milliseconds between two edits, and by how much that differs, so that no timer of the core falls into step. */
const PAUSE_MS = 60;
const PAUSE_SPREAD_MS = 37;

/** Puts the plugin that will be edited into the watched folder. Before the core starts, or the core finds it. */
export async function placeLivePlugin(folder: string): Promise<void> {
  await writeFixture(join(folder, NAME), NAME);
}

/** Saves a file of a watched plugin, and asks without pause until the new code answers; no request may fail meanwhile. */
export async function measureEdits({ effort, product, folders, member, report }: Stage): Promise<void> {
  progress(`${effort.edits} edits`);
  const url = `${product.url}/api/plugins/${NAME}/edition`;
  await firstAnswer(url, member);
  const coreTimes: number[] = [];
  product.onLog = ({ msg, plugin, ms }) => {
    if (msg === 'reloaded a plugin' && plugin === NAME && typeof ms === 'number') coreTimes.push(ms);
  };
  const times: number[] = [];
  let failed = 0;
  for (let edition = 1; edition <= WARM_UP + effort.edits; edition += 1) {
    await Bun.sleep(PAUSE_MS + ((edition * 11) % PAUSE_SPREAD_MS));
    const begun = performance.now();
    await writeFile(join(folders.plugins, NAME, 'edition.ts'), editionSource(edition));
    for (;;) {
      const response = await fetch(url);
      const seen = performance.now() - begun;
      const answer = (await response.json()) as { edition?: number };
      if (response.status !== 200) failed += 1;
      if (answer.edition === edition) {
        if (edition > WARM_UP) times.push(seen);
        break;
      }
      if (seen > LIVE_MS)
        throw new Error(`edit ${edition} was not live after ${LIVE_MS} ms: ${JSON.stringify(answer)}`);
    }
  }
  product.onLog = null;
  if (failed > 0) report.problem(`${failed} requests failed while the plugin was edited`);
  report.set('edit', median(times), `p95 ${short(quantile(times, 0.95))}`);
  report.set('editCore', median(coreTimes.slice(WARM_UP)));
}
