import { type Command, InvalidArgumentError } from 'commander';
import type { Page } from '../../events/store.ts';
import type { PostMortem, PostMortemSummary } from '../../post-mortems/record.ts';
import { connect } from '../client.ts';
import { pluginPath } from '../plugins.ts';
import { note, paint, printable, say, table } from '../terminal.ts';

interface Options {
  readonly lines: number;
  readonly json?: true;
}

/** `streamspace plugin post-mortems`: how a plugin lost its isolates, or all that is known of one time. */
export function addPluginPostMortems(parent: Command): void {
  parent
    .command('post-mortems')
    .description('show how a plugin lost its isolates, newest first; with a number, all that is known of one')
    .argument('<plugin>', 'name')
    .argument('[number]', 'of a post-mortem in the list', idOf)
    .option('-n, --lines <count>', 'so many of the list, at most', countOf, 20)
    .option('--json', 'as the REST API answers')
    .action((name: string, id: number | undefined, options: Options) =>
      id === undefined ? list(name, options) : show(name, id, options),
    );
}

async function list(name: string, { lines, json }: Options): Promise<void> {
  const path = pluginPath(name, `/post-mortems?limit=${lines}`);
  const { items } = await connect().call<Page<PostMortemSummary>>('GET', path);
  if (json) {
    say(JSON.stringify(items, null, 2));
    return;
  }
  if (items.length === 0) {
    note(printable(`${name} has lost no isolate lately.`));
    return;
  }
  const rows = items.map((item) => [
    String(item.id),
    item.at,
    item.version,
    item.cause,
    item.verdict,
    item.outcome,
    item.detail,
  ]);
  const heading = ['NUMBER', 'WHEN', 'VERSION', 'CAUSE', 'VERDICT', 'OUTCOME', 'DETAIL'];
  for (const line of table([heading, ...rows])) say(line);
}

async function show(name: string, id: number, { json }: Options): Promise<void> {
  const found = await connect().call<PostMortem>('GET', pluginPath(name, `/post-mortems/${id}`));
  if (json) {
    say(JSON.stringify(found, null, 2));
    return;
  }
  const { heap, host } = found;
  say(printable(`${found.plugin} ${found.version}, ${found.at}: ${found.detail}`));
  say(printable(`cause ${found.cause}, ${found.verdict}, ${found.outcome}`));
  say(`heap ${megabytes(heap.usedBytes)} of ${megabytes(heap.limitBytes)}, CPU ${heap.cpuMs} ms in all`);
  if (host !== null) {
    const where = host.placement === null ? '' : ` (${host.placement})`;
    say(printable(`process ${host.pid}${where}, ${megabytes(host.rssBytes)}`));
  }
  section(
    'Under way',
    found.underWay.map(({ what, ms }) => `${what}, for ${ms} ms`),
  );
  section(
    'Last calls',
    found.lastCalls.map(({ at, call, permission, ms, outcome }) => {
      const needed = permission === null ? '' : ` (${permission})`;
      return `${at} ${call}${needed}: ${outcome}, ${ms} ms`;
    }),
  );
  section('Stack', found.stack === null ? [] : found.stack.split('\n'));
}

function section(title: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  say(paint('bold', title));
  for (const line of lines) say(printable(`  ${line}`));
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function idOf(value: string): number {
  if (/^[1-9]\d{0,14}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('It is a number of the list.');
}

function countOf(value: string): number {
  const count = Number(value);
  if (/^\d{1,2}$/.test(value) && count >= 1 && count <= 50) return count;
  throw new InvalidArgumentError('It is a number from 1 to 50.');
}
