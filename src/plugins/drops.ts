import type { Log } from '../log.ts';

/** Drops what a committed transaction no longer names: databases, roles. What fails here the next start drops. */
export async function dropAfterwards(log: Log, plugin: string, drops: readonly (() => Promise<void>)[]): Promise<void> {
  for (const drop of drops) {
    await drop().catch((error: unknown) => log.warn({ err: error, plugin }, 'a database was not dropped'));
  }
}
