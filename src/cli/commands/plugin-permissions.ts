import { type Command, InvalidArgumentError } from 'commander';
import type { permissionReport } from '../../permissions/report.ts';
import { connect } from '../client.ts';
import { pluginPath } from '../plugins.ts';
import { note, printable, say, table } from '../terminal.ts';

/** The report as the REST API answers it. */
export type PermissionReport = ReturnType<typeof permissionReport>;

interface Options {
  readonly json?: true;
  readonly unusedDays?: number;
}

/** `streamspace plugin permissions`. */
export function addPluginPermissions(parent: Command): void {
  parent
    .command('permissions')
    .description('show what a plugin was granted, what it uses, and which capabilities are switched off')
    .argument('<plugin>', 'name')
    .option('--unused-days <days>', 'call a grant unused that was idle for so many days', parseDays)
    .option('--json', 'as the REST API answers it')
    .action(permissions);
}

async function permissions(name: string, options: Options): Promise<void> {
  const query = options.unusedDays === undefined ? '' : `?unusedDays=${options.unusedDays}`;
  const report = await connect().call<PermissionReport>('GET', pluginPath(name, `/permissions${query}`));
  if (options.json) {
    say(JSON.stringify(report, null, 2));
    return;
  }
  const { capabilities, unused, unusedDays } = report;
  if (report.permissions.length === 0) note(`${printable(name)} asks for no permission and has none.`);
  else
    show(['PERMISSION', 'GRANTED', 'ASKED'], report.permissions, ({ permission, granted, asked, optional }) => [
      permission,
      granted ? 'yes' : 'no',
      asked ? (optional ? 'optional' : 'yes') : 'no',
    ]);
  say();
  show(['CAPABILITY', 'SWITCH', 'REASON'], capabilities, ({ capability, on, switchable, off }) => [
    capability,
    switchable ? (on ? 'on' : 'OFF') : 'always on',
    off?.reason ?? '',
  ]);
  if (unused.length > 0) {
    const days = unusedDays === 1 ? '1 day' : `${unusedDays} days`;
    note(`\nGranted, and not used for ${days}: ${unused.map(printable).join(', ')}`);
  }
}

interface Counted {
  readonly uses: number;
  readonly lastUsedAt: string | null;
  readonly refused: number;
}

/** A table of what was counted, with some columns of its own before. */
function show<T extends Counted>(heading: readonly string[], items: readonly T[], cells: (item: T) => string[]): void {
  const rows = items.map((item) => [...cells(item), String(item.uses), item.lastUsedAt ?? '', String(item.refused)]);
  for (const line of table([[...heading, 'USES', 'LAST USED', 'REFUSED'], ...rows])) say(line);
}

function parseDays(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('a whole number of days is needed.');
  return Number(text);
}
