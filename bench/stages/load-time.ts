import type { Stage } from '../context.ts';
import { fixtureName } from '../fixtures.ts';
import { progress } from '../report.ts';
import { median, quantile, short } from '../stats.ts';

const WARM_UP = 5;
/** Milliseconds between two reloads, in which the instance before is let go. */
const PAUSE_MS = 20;

/**
 * Reloads an unchanged upload: a new isolate loads the cached bundle, runs `onLoad`, and takes over. What a request costs
 * that reads the same plugin and changes nothing (connection, sign-in, the view that both answer) is taken off.
 */
export async function measureLoad({ effort, product, report }: Stage): Promise<void> {
  progress(`${effort.reloads} reloads`);
  const path = `/api/plugins/${fixtureName(1)}`;
  const reloads: number[] = [];
  const reads: number[] = [];
  for (let n = -WARM_UP; n < effort.reloads; n += 1) {
    const reload = await timed(() => product.call('POST', `${path}/reload`));
    await Bun.sleep(PAUSE_MS);
    const read = await timed(() => product.call('GET', path));
    if (n < 0) continue;
    reloads.push(reload);
    reads.push(read);
  }
  const rest = median(reads);
  report.set('load', median(reloads) - rest, `the REST alone ${short(rest)} ms`);
  report.set('loadRest', median(reloads), `p95 ${short(quantile(reloads, 0.95))}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
