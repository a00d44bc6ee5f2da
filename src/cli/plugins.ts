import type { viewPlugin } from '../plugins/view.ts';
import { type Client, connect } from './client.ts';
import { ProblemError } from './failure.ts';
import { note, paint, printable, say } from './terminal.ts';

/** A plugin as the REST API shows it (SPEC 12.4). */
export type PluginView = Awaited<ReturnType<typeof viewPlugin>>;

/** The address of a plugin's resource; the name is from the command line, so it is encoded. */
export function pluginPath(name: string, rest = ''): string {
  return `/api/plugins/${encodeURIComponent(name)}${rest}`;
}

/** An installed plugin; null when there is none of that name. */
export async function findPlugin(client: Client, name: string): Promise<PluginView | null> {
  try {
    return await client.call<PluginView>('GET', pluginPath(name));
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === 'plugin_not_found') return null;
    throw error;
  }
}

/** Disables or reloads plugins, one after the other; stops at the first refusal. */
export async function changeState(names: readonly string[], act: 'disable' | 'reload'): Promise<void> {
  const client = connect();
  for (const name of names) {
    say(describe(await client.call<PluginView>('POST', pluginPath(name, `/${act}`))));
  }
}

/** Prints what became of a plugin, and where its endpoints are. */
export function show(plugin: PluginView, client: Client): void {
  say(describe(plugin));
  for (const { method, path } of plugin.endpoints) note(printable(`  ${method} ${client.target.url}${path}`));
}

/** One line about a plugin: name, version, state and, when it failed, why. */
function describe({ name, version, state, error }: PluginView): string {
  const why = error === null ? '' : `: ${printable(error.message)}`;
  const style = state === 'active' ? 'green' : state === 'failed' || state === 'quarantined' ? 'red' : 'dim';
  return `${printable(name)} ${printable(version)} ${paint(style, printable(state))}${why}`;
}
