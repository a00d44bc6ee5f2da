import { type Command, InvalidArgumentError } from 'commander';
import { connect } from '../client.ts';
import { pluginPath } from '../plugins.ts';
import { note, printable, say, table, withProgress } from '../terminal.ts';

/** A restore point as the REST API shows it. */
export interface RestorePointView {
  readonly id: number;
  readonly version: string;
  readonly reason: string;
  readonly createdAt: string;
  readonly hasDatabase: boolean;
}

interface Options {
  readonly make?: true;
  readonly remove?: number;
  readonly json?: true;
}

/** `streamspace plugin restore-points`: lists them, makes one, removes one. */
export function addPluginRestorePoints(parent: Command): void {
  parent
    .command('restore-points')
    .description('show what a plugin can be rolled back to, newest first')
    .argument('<plugin>', 'name')
    .option('--make', 'make one of what it is now')
    .option('--remove <number>', 'remove one, and the data that it holds', parsePoint)
    .option('--json', 'as the REST API answers')
    .action(restorePoints);
}

async function restorePoints(name: string, { make, remove, json }: Options): Promise<void> {
  const client = connect();
  const path = pluginPath(name, '/restore-points');
  if (make) {
    const made = client.call<RestorePointView>('POST', path);
    const point = await withProgress(`Copying the data of ${printable(name)}`, made);
    say(json ? JSON.stringify(point, null, 2) : `Restore point ${point.id} of ${name} ${point.version} is made.`);
    return;
  }
  if (remove !== undefined) {
    await client.call('DELETE', `${path}/${remove}`);
    say(`Restore point ${remove} of ${name} is removed.`);
    return;
  }
  const points = await listRestorePoints(name);
  if (json) {
    say(JSON.stringify(points, null, 2));
    return;
  }
  if (points.length === 0) {
    note(printable(`${name} has no restore points: each upgrade makes one, and so does --make.`));
    return;
  }
  const rows = points.map(({ id, version, createdAt, reason, hasDatabase }) => [
    String(id),
    version,
    createdAt,
    reason,
    hasDatabase ? 'yes' : 'no',
  ]);
  for (const line of table([['NUMBER', 'VERSION', 'MADE', 'BEFORE', 'DATABASE'], ...rows])) say(line);
}

/** Those of a plugin, newest first. */
export async function listRestorePoints(name: string): Promise<readonly RestorePointView[]> {
  const path = pluginPath(name, '/restore-points');
  return (await connect().call<{ restorePoints: readonly RestorePointView[] }>('GET', path)).restorePoints;
}

/** The number of a restore point on the command line. */
export function parsePoint(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is a number of `streamspace plugin restore-points`.');
}
