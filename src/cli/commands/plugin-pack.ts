import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { archiveName, packFolder } from '../pack.ts';
import { say } from '../terminal.ts';

/** `streamspace plugin pack`. */
export function addPluginPack(parent: Command): void {
  parent
    .command('pack')
    .description('check a plugin and pack it into one file')
    .argument('[folder]', 'the folder with its manifest.json', '.')
    .option('-o, --output <file>', 'where to write it (default: <name>-<version>.tar.gz here)')
    .action(pack);
}

async function pack(folder: string, options: { readonly output?: string }): Promise<void> {
  const { manifest, archive, files, bytes } = await packFolder(resolve(folder));
  const output = options.output ?? archiveName(manifest);
  await writeFile(output, archive).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(`${output} cannot be written: ${cause.code ?? cause.message}`, { cause });
  });
  const packed = new Bun.CryptoHasher('sha256').update(archive).digest('hex');
  say(`${output}  ${files} files, ${kilobytes(bytes)}, packed ${kilobytes(archive.byteLength)}`);
  say(`sha256 ${packed}`);
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KB`;
}
