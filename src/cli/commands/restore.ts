import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { restoreInstance } from '../../backup/restore-instance.ts';
import { isTaken } from '../../backup/restore-target.ts';
import { verifyBackup } from '../../backup/verify.ts';
import { type Config, ConfigError, loadConfig } from '../../config.ts';
import { DataLockError, lockDataDir } from '../../db/data-lock.ts';
import { createLog, type Log } from '../../log.ts';
import { BackupProgress } from '../backup-progress.ts';
import { connect } from '../client.ts';
import { type GrantOptions, withConsent, withGrantOptions } from '../consent.ts';
import { EXIT_USAGE, Failure } from '../failure.ts';
import { type PluginView, show } from '../plugins.ts';
import { ask, isInteractive, note, printable, say, withProgress } from '../terminal.ts';
import { tell } from './backup.ts';

interface Options extends GrantOptions {
  readonly plugin?: string;
  readonly dataDir?: string;
  readonly replace?: true;
  readonly withoutSecrets?: true;
  readonly json?: true;
}

/** `streamspace restore`: a whole instance into a data folder, or one plugin into the running host. */
export function addRestore(parent: Command): void {
  const command = parent
    .command('restore')
    .description('restore a backup: an instance while no host runs, or one plugin into the running host')
    .argument('<file>', 'a backup, of an instance or of a plugin')
    .option('--plugin <name>', 'this plugin alone, into the running host')
    .option('--data-dir <folder>', 'data folder to restore into (default: DATA_DIR)')
    .option('--replace', 'lose what is there')
    .option('--without-secrets', 'leave the secrets out, when the key that sealed them is lost')
    .option('--json', 'one JSON object');
  withGrantOptions(command).action(restore);
}

async function restore(path: string, options: Options): Promise<void> {
  const file = resolve(path);
  const { size } = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(`${path} cannot be read: ${cause.code ?? cause.message}`, { cause });
  });
  if (options.plugin === undefined) return restoreAll(file, options);
  if (options.dataDir !== undefined || options.replace || options.withoutSecrets) {
    throw new Failure('--data-dir, --replace and --without-secrets are for a whole instance', { exitCode: EXIT_USAGE });
  }
  await restoreOne(file, size, options.plugin, options);
}

async function restoreAll(file: string, options: Options): Promise<void> {
  const config = readConfig(options.dataDir);
  const log = createLog('silent');
  if (await wouldReplace(config, log)) await confirm(config.dataDir, config.databaseUrl !== null, options);
  const progress = new BackupProgress();
  try {
    const verified = await restoreInstance({
      config,
      file,
      replace: options.replace === true,
      withoutSecrets: options.withoutSecrets === true,
      log,
      onProgress: (phase, head, passed) => progress.passed(phase === 'verify' ? 'checked' : 'restored', head, passed),
    });
    progress.done();
    tell(file, verified, options.json === true);
    if (!options.json) say(`It is restored into ${config.dataDir}. Start the host; everybody signs in again.`);
  } catch (error) {
    progress.done();
    throw asFailure(error);
  }
}

/** The environment that the host would start with. */
function readConfig(dataDir: string | undefined): Config {
  try {
    return loadConfig(dataDir === undefined ? process.env : { ...process.env, DATA_DIR: dataDir });
  } catch (error) {
    throw asFailure(error);
  }
}

/** What the reader can do something about, as such. */
function asFailure(error: unknown): unknown {
  if (error instanceof ConfigError) return new Failure(error.message, { exitCode: EXIT_USAGE, cause: error });
  if (error instanceof DataLockError) return new Failure(error.message, { help: 'Stop the host first.', cause: error });
  return error;
}

/** Whether there is something; the restore itself looks again, with the lock. */
async function wouldReplace(config: Config, log: Log): Promise<boolean> {
  try {
    lockDataDir(config.dataDir).release();
  } catch (error) {
    throw asFailure(error);
  }
  return isTaken({ ...config, log });
}

async function confirm(dataDir: string, isExternal: boolean, { replace, yes }: Options): Promise<void> {
  const where = isExternal ? `${dataDir} and the database of DATABASE_URL` : dataDir;
  if (!replace) {
    throw new Failure(`There is an instance in ${where} already`, {
      help: 'Restore into another folder with --data-dir, or lose what is there with --replace.',
    });
  }
  if (yes) return;
  if (!isInteractive()) {
    throw new Failure('Nothing was changed: there is no terminal to ask on.', {
      help: 'Say --yes as well.',
      exitCode: EXIT_USAGE,
    });
  }
  const answer = await ask(`Lose what is in ${where}, for good? [y/N] `);
  if (!/^y(es)?$/i.test(answer)) throw new Failure('Nothing was changed.');
}

async function restoreOne(file: string, bytes: number, plugin: string, options: Options): Promise<void> {
  const { head } = await verifyBackup(createReadStream(file));
  const client = connect();
  const answer = await withConsent(client, plugin, options, (grants) => {
    const query = new URLSearchParams({ plugin });
    if (grants !== undefined) query.set('grants', grants === 'all' ? grants : grants.join(','));
    const body = Readable.toWeb(createReadStream(file)) as unknown as ReadableStream<Uint8Array>;
    const label = `Restoring ${plugin} (${Math.ceil(bytes / 1024)} KB)`;
    return withProgress(
      label,
      client.call<{ plugin: PluginView; secretsMissing: string[] }>('POST', `/api/restore?${query}`, { stream: body }),
    );
  });
  if (options.json) return say(JSON.stringify(answer, null, 2));
  say(`${printable(plugin)} is again what it was on ${printable(head.madeAt)}; what was there is a restore point.`);
  show(answer.plugin, client);
  if (answer.secretsMissing.length > 0) {
    note('The backup was made under another key. Enter these again, then enable the plugin:');
    for (const name of answer.secretsMissing) note(`  ${printable(name)}`);
  }
}
