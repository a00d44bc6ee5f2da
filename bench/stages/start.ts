import { fixtureName } from '../fixtures.ts';
import type { Children } from '../processes.ts';
import { type Folders, Product } from '../product.ts';
import { progress } from '../report.ts';
import { firstAnswer } from './install.ts';

/**
 * Starts a stopped core on its data folder again and again.
 *
 * @param member a token of before: it has to be good still
 * @returns milliseconds from the process to its ready line, one a start
 */
export async function measureStarts(
  children: Children,
  folders: Folders,
  starts: number,
  member: string,
): Promise<number[]> {
  progress(`${starts} starts`);
  const times: number[] = [];
  for (let n = 0; n < starts; n += 1) {
    const product = await Product.start(children, folders);
    try {
      times.push(product.readyMs);
      await firstAnswer(`${product.url}/api/plugins/${fixtureName(1)}/small`, member);
    } finally {
      await product.stop();
    }
  }
  return times;
}
