import { type Command, InvalidArgumentError, Option } from 'commander';
import { LOG_LEVELS, type LogLevel } from '../../../sandbox-apis/log/levels.ts';
import type { LogEntry } from '../../plugins/plugin-log.ts';
import { connect } from '../client.ts';
import { pluginPath } from '../plugins.ts';
import { paint, printable, type Style, say } from '../terminal.ts';

interface Options {
  readonly follow?: true;
  readonly level?: LogLevel;
  readonly lines: number;
  readonly json?: true;
}

const STYLES: Readonly<Partial<Record<LogLevel, Style>>> = { debug: 'dim', warn: 'yellow', error: 'red', fatal: 'red' };

/** `streamspace plugin logs`. */
export function addPluginLogs(parent: Command): void {
  parent
    .command('logs')
    .description('show what a plugin logged')
    .argument('<plugin>', 'name')
    .option('-f, --follow', 'go on with what it logs from now on, until Ctrl-C')
    .addOption(new Option('--level <level>', 'only from this level on').choices(LOG_LEVELS))
    .option('-n, --lines <count>', 'lines from before, at most', countOf, 100)
    .option('--json', 'one JSON object a line')
    .action(logs);
}

async function logs(name: string, options: Options): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal);
  const query = new URLSearchParams({ follow: String(options.follow === true), limit: String(options.lines) });
  if (options.level !== undefined) query.set('level', options.level);
  try {
    for await (const event of connect().events(pluginPath(name, `/logs?${query}`), stop.signal)) {
      say(options.json ? event.data : format(JSON.parse(event.data) as LogEntry));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', onSignal);
  }
}

function format({ time, level, message, fields = {} }: LogEntry): string {
  const extra = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  const label = level.toUpperCase().padEnd(5);
  const style = STYLES[level];
  const head = `${paint('dim', printable(time))} ${style === undefined ? printable(label) : paint(style, printable(label))}`;
  return `${head} ${printable(message)}${paint('dim', printable(extra.join('')))}`;
}

function countOf(value: string): number {
  if (/^\d{1,4}$/.test(value) && Number(value) <= 1000) return Number(value);
  throw new InvalidArgumentError('It is a number from 0 to 1000.');
}
