import { describe, expect, test } from 'bun:test';
import { HOST_LIMITS } from '../../src/host/limits.ts';
import { MemoryWatch } from '../../src/host/memory-watch.ts';

const MB = 1024 * 1024;
const LIMIT = 64 * MB;
const limitOf = () => LIMIT;
/** What a host may grow while one isolate runs. */
const ALLOWED = 2 * LIMIT + HOST_LIMITS.growthBytes;

describe('who makes a host process grow', () => {
  test('the one that ran all the while', () => {
    const watch = new MemoryWatch();
    expect(watch.look({ rssBytes: 100 * MB, running: [], isolates: 9 }, limitOf)).toBeNull();
    expect(watch.look({ rssBytes: 101 * MB, running: [7], isolates: 9 }, limitOf)).toBeNull();
    expect(watch.look({ rssBytes: 100 * MB + ALLOWED, running: [7], isolates: 9 }, limitOf)).toBeNull();
    expect(watch.look({ rssBytes: 101 * MB + ALLOWED, running: [7], isolates: 9 }, limitOf)).toMatchObject({
      isolates: [7],
    });
  });

  test('growth within the first look counts: memory comes at a gigabyte a second', () => {
    const watch = new MemoryWatch();
    watch.look({ rssBytes: 100 * MB, running: [], isolates: 9 }, limitOf);
    expect(watch.look({ rssBytes: 101 * MB + ALLOWED, running: [7], isolates: 9 }, limitOf)).toMatchObject({
      isolates: [7],
    });
  });

  test('not one that came when it had grown already, nor one that paused', () => {
    const watch = new MemoryWatch();
    watch.look({ rssBytes: 100 * MB, running: [1], isolates: 9 }, limitOf);
    watch.look({ rssBytes: 90 * MB + ALLOWED, running: [1], isolates: 9 }, limitOf);
    watch.look({ rssBytes: 90 * MB + ALLOWED, running: [], isolates: 9 }, limitOf);
    expect(watch.look({ rssBytes: 110 * MB + ALLOWED, running: [1, 2], isolates: 9 }, limitOf)).toBeNull();
  });

  test('several that ran together are all suspect', () => {
    const watch = new MemoryWatch();
    watch.look({ rssBytes: 100 * MB, running: [1, 2], isolates: 9 }, limitOf);
    expect(watch.look({ rssBytes: 101 * MB + ALLOWED, running: [1, 2], isolates: 9 }, limitOf)?.isolates).toEqual([
      1, 2,
    ]);
  });

  test('growth in small steps ends at the ceiling of the process, with who made most of it', () => {
    const watch = new MemoryWatch();
    let rssBytes = 100 * MB;
    let over = watch.look({ rssBytes, running: [], isolates: 9 }, limitOf);
    while (over === null) {
      for (const [isolate, step] of [
        [1, 20 * MB],
        [2, MB],
      ] as const) {
        rssBytes += step;
        over ??= watch.look({ rssBytes, running: [isolate], isolates: 9 }, limitOf);
        over ??= watch.look({ rssBytes, running: [], isolates: 9 }, limitOf);
      }
    }
    expect(rssBytes).toBeGreaterThan(HOST_LIMITS.rssBytes);
    expect(over).toEqual({ detail: expect.stringContaining('MB'), isolates: [1] });
  });

  test('what others take that are loaded meanwhile is not laid at the door of one that is busy', () => {
    const watch = new MemoryWatch();
    watch.look({ rssBytes: 100 * MB, running: [7], isolates: 1 }, limitOf);
    const rssBytes = 101 * MB + ALLOWED;
    expect(watch.look({ rssBytes, running: [7], isolates: 100 }, limitOf)).toBeNull();
    expect(watch.look({ rssBytes, running: [7], isolates: 1 }, limitOf)).toMatchObject({ isolates: [7] });
  });

  test('nothing is said of a process whose memory is not known', () => {
    expect(new MemoryWatch().look({ rssBytes: 0, running: [1], isolates: 9 }, () => -1)).toBeNull();
  });
});
