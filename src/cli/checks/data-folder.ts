import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../../config.ts';
import { DataLockError, lockDataDir } from '../../db/data-lock.ts';
import { type Finding, reason } from './check.ts';

/** The data folder: can be written, and who works on it. A folder that is not there yet is not made. */
export function checkDataFolder({ dataDir }: Config): Finding {
  const name = 'data folder';
  try {
    if (!existsSync(dataDir)) {
      const parent = nearestExisting(dataDir);
      accessSync(parent, constants.W_OK);
      if (!statSync(parent).isDirectory()) throw new Error(`${parent} is not a folder`);
      return { name, state: 'ok', detail: `${dataDir} will be made at the first start` };
    }
    accessSync(dataDir, constants.W_OK);
    if (!existsSync(join(dataDir, 'core.lock'))) return { name, state: 'ok', detail: `${dataDir}, writable` };
    lockDataDir(dataDir).release();
    return { name, state: 'ok', detail: `${dataDir}, writable, not in use` };
  } catch (error) {
    if (error instanceof DataLockError) {
      return { name, state: 'warn', detail: error.message, help: 'Nothing, if that is the host you mean to run.' };
    }
    return { name, state: 'fail', detail: reason(error), help: 'Set DATA_DIR to a folder that you may write.' };
  }
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}
