import { type Command, InvalidArgumentError, Option } from 'commander';
import { LOG_LEVELS, type LogLevel } from '../../../sandbox-apis/log/levels.ts';
import type { LogEntry } from '../../plugins/plugin-log.ts';
import { connect } from '../client.ts';
import { formatEntry } from '../log-lines.ts';
import { pluginPath } from '../plugins.ts';
import { say } from '../terminal.ts';

interface Options {
  readonly follow?: true;
  readonly level?: LogLevel;
  readonly lines: number;
  readonly json?: true;
}

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
      say(options.json ? event.data : formatEntry(JSON.parse(event.data) as LogEntry));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', onSignal);
  }
}

function countOf(value: string): number {
  if (/^\d{1,4}$/.test(value) && Number(value) <= 1000) return Number(value);
  throw new InvalidArgumentError('It is a number from 0 to 1000.');
}
