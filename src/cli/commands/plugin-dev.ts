import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { readFolder } from '../../packages/read.ts';
import type { LogEntry } from '../../plugins/plugin-log.ts';
import { type Client, connect } from '../client.ts';
import { type GrantOptions, withGrantOptions } from '../consent.ts';
import { type InspectProxy, startInspectProxy } from '../dev/inspect-proxy.ts';
import { isWatched, upload } from '../dev/upload.ts';
import { watchFolder } from '../dev/watch.ts';
import { report } from '../failure.ts';
import { formatEntry } from '../log-lines.ts';
import { readManifest } from '../pack.ts';
import { pluginPath, show } from '../plugins.ts';
import { note, printable, say } from '../terminal.ts';

interface Options extends GrantOptions {
  /** True without a port. */
  readonly inspect?: number | true;
}

/** Where debuggers look for Node. */
const INSPECT_PORT = 9229;

/** `streamspace plugin dev`: a plugin live in the running host while it is written. */
export function addPluginDev(parent: Command): void {
  const command = parent
    .command('dev')
    .description(
      'run a plugin in the running host while you write it: each saved change is swapped in, its log is shown',
    )
    .argument('[folder]', 'the folder with its manifest.json', '.')
    .option(
      '--inspect [port]',
      `let DevTools or an editor debug it, on a port of this machine (${INSPECT_PORT})`,
      portOf,
    );
  withGrantOptions(command).action((folder: string, options: Options) => dev(resolve(folder), options));
}

async function dev(folder: string, options: Options): Promise<void> {
  const client = connect();
  const { name } = readManifest(await readFolder(folder));
  const watched = await isWatched(client, name);
  if (watched) note(printable(`The host watches the folder of ${name} itself.`));
  else show(await upload(client, folder, options), client);
  const port = options.inspect === true ? INSPECT_PORT : options.inspect;
  const proxy = port === undefined ? null : await inspect(client, name, port);
  const watcher = watched ? null : watchFolder(folder, () => again(client, folder, options));
  try {
    await followLog(client, name);
  } finally {
    watcher?.close();
    await proxy?.stop();
  }
}

async function inspect(client: Client, plugin: string, port: number): Promise<InspectProxy> {
  // Whoever may not is told now, and not when the debugger connects.
  await client.call('GET', pluginPath(plugin, '/inspector'));
  const proxy = startInspectProxy({ client, plugin, port, onChange: (what) => note(printable(what)) });
  say(`Debugger listening on 127.0.0.1:${proxy.port}; chrome://inspect finds it, or open`);
  say(`  ${proxy.devtoolsUrl}`);
  return proxy;
}

async function again(client: Client, folder: string, options: Options): Promise<void> {
  const started = performance.now();
  try {
    const { name, version } = await upload(client, folder, options);
    note(printable(`${name} ${version} is live after ${Math.round(performance.now() - started)} ms`));
  } catch (error) {
    // The version before goes on; the next change may be better.
    report(error);
  }
}

/** Shows what it logs from now on, until Ctrl-C. */
async function followLog(client: Client, name: string): Promise<void> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    for await (const { data } of client.events(pluginPath(name, '/logs?limit=0'), stop.signal)) {
      say(formatEntry(JSON.parse(data) as LogEntry));
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function portOf(value: string): number {
  const port = Number(value);
  if (/^\d{1,5}$/.test(value) && port <= 65_535) return port;
  throw new InvalidArgumentError('It is a port, 0 to 65535 (0 picks a free one).');
}
