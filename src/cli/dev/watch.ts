import { watch } from 'node:fs';
import { sep } from 'node:path';
import { isNoise } from '../../plugins/folder-noise.ts';

/** Milliseconds without a further change after which a folder is read: editors write a file in several steps. */
const QUIET_MS = 12;

/** Calls back after each change in a folder; changes during a call are one more call after it. */
export function watchFolder(folder: string, onChange: () => Promise<void>): { close(): void } {
  let timer: Timer | null = null;
  let running: Promise<void> = Promise.resolve();
  const watcher = watch(folder, { recursive: true }, (_event, file) => {
    if (file === null || isNoise(file) || file.split(sep).includes('node_modules')) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      running = running.then(onChange);
    }, QUIET_MS);
  });
  return {
    close() {
      if (timer !== null) clearTimeout(timer);
      watcher.close();
    },
  };
}
