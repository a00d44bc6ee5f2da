import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BackupHead } from '../../backup/head.ts';
import { type Verified, verifyBackup } from '../../backup/verify.ts';
import { BackupProgress, size } from '../backup-progress.ts';
import { connect } from '../client.ts';
import { Failure } from '../failure.ts';
import { printable, say } from '../terminal.ts';

interface Options {
  readonly plugin?: string;
  readonly without?: string;
  readonly output?: string;
  readonly json?: true;
}

/** `streamspace backup` and `streamspace backup verify`. */
export function addBackup(parent: Command): void {
  const command = parent
    .command('backup')
    .description('write a backup of the running host, or of one plugin, and check it')
    .option('--plugin <name>', 'one plugin alone')
    .option('--without <names>', 'leave out the databases and files of these plugins (commas between)')
    .option('-o, --output <file>', 'where to write it (default: <plugin or streamspace>-<time>.backup.tar.gz)')
    .option('--json', 'say what is in it as one JSON object')
    .action(backup);
  command
    .command('verify')
    .description('check that a backup is whole and unchanged, and say what is in it')
    .argument('<file>')
    .option('--json', 'one JSON object')
    .action(verify);
}

async function backup({ plugin, without, output, json }: Options): Promise<void> {
  const query = new URLSearchParams();
  if (plugin !== undefined) query.set('plugin', plugin);
  if (without !== undefined) query.set('without', without);
  const time = new Date().toISOString().replaceAll(':', '-').replace(/\.\d+/, '');
  const path = resolve(output ?? `${plugin ?? 'streamspace'}-${time}.backup.tar.gz`);
  const body = await connect().download('GET', `/api/backup?${query}`);
  const verified = await save(path, body);
  tell(path, verified, json === true);
}

/** Writes it under another name until it is known to be whole. */
async function save(path: string, body: ReadableStream<Uint8Array>): Promise<Verified> {
  const partial = `${path}.partial`;
  const file = await open(partial, 'w', 0o600).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(`${partial} cannot be written: ${cause.code ?? cause.message}`, { cause });
  });
  const written = async function* () {
    for await (const chunk of body as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>) {
      await file.write(chunk);
      yield chunk;
    }
  };
  try {
    const verified = await checked(written(), 'received');
    await file.sync();
    await file.close();
    await rename(partial, path);
    return verified;
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
}

async function verify(file: string, { json }: { readonly json?: true }): Promise<void> {
  const source = createReadStream(file);
  const verified = await checked(source, 'checked').catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'EISDIR') throw error;
    throw new Failure(`${file} cannot be read: ${code}`, { cause: error });
  });
  tell(file, verified, json === true);
}

async function checked(source: AsyncIterable<Uint8Array>, phase: string): Promise<Verified> {
  const progress = new BackupProgress();
  let head: BackupHead | null = null;
  try {
    return await verifyBackup(source, {
      onHead: (found) => {
        head = found;
      },
      onPart: (passed) => {
        if (head !== null) progress.passed(phase, head, passed);
      },
    });
  } finally {
    progress.done();
  }
}

/** Says what is in a backup that is whole. */
export function tell(file: string, { head, end, bytes }: Verified, json: boolean): void {
  const rows = Object.values(end.rows).reduce((sum, count) => sum + count, 0);
  const { scope, version, madeAt, keyIds, plugins } = head;
  if (json) {
    say(JSON.stringify({ file, scope, version, madeAt, bytes, rows, keyIds, plugins }, null, 2));
    return;
  }
  const what = scope === 'instance' ? `an instance with ${plugins.length} plugins` : `the plugin ${plugins[0]?.name}`;
  say(`${printable(file)} is a whole backup of ${what}: StreamSpace ${printable(version)}, ${printable(madeAt)}`);
  say(`${size(bytes)} unpacked, ${rows} rows, ${Object.keys(end.rows).length} tables`);
  if (keyIds.length > 0)
    say(`Its secrets are sealed with the key ${keyIds.map(printable).join(', ')}, which is not in it.`);
}
