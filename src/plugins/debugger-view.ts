import { parseLimited } from '../host/decode.ts';
import type { StackMapper } from './source-map.ts';

const SCRIPT_PARSED = '{"method":"Debugger.scriptParsed"';
const CONTEXT_CREATED = '{"method":"Runtime.executionContextCreated"';
/** What isolated-vm calls the contexts that it makes for others. */
const PLUGIN_CONTEXT = '<isolated-vm>';

/** How a file of a plugin is called in debuggers, which want an absolute URL. */
export function sourceUrl(plugin: string, source: string): string {
  return `plugin://${plugin}/${source}`;
}

/**
 * What V8 says, as a debugger is to hear it. Of the bundle it is told the source map, as if the bundle ended in a
 * `sourceMappingURL`; the map itself never enters the isolate: it may be larger than the memory that the plugin has. Of the
 * contexts it is told of the one that the plugin lives in; isolated-vm has another for itself.
 *
 * @returns a function from V8's messages to the debugger's; null for what is none of its business
 */
export function debuggerView(
  plugin: string,
  stacks: Pick<StackMapper, 'sourceMap'>,
): (message: string) => string | null {
  let url: string | null = null;
  const dataUrl = (): string => {
    const map: { sources: string[] } = JSON.parse(stacks.sourceMap);
    const sources = map.sources.map((source) => sourceUrl(plugin, source));
    const text = JSON.stringify({ ...map, sources });
    return `data:application/json;base64,${Buffer.from(text).toString('base64')}`;
  };
  return (message) => {
    if (message.startsWith(SCRIPT_PARSED)) {
      const parsed = parseLimited(message) as { params?: Record<string, unknown> } | undefined;
      if (parsed?.params?.url !== `plugin:${plugin}`) return message;
      url ??= dataUrl();
      return JSON.stringify({ ...parsed, params: { ...parsed.params, sourceMapURL: url } });
    }
    if (message.startsWith(CONTEXT_CREATED)) {
      const parsed = parseLimited(message) as { params?: { context?: { name?: string } } } | undefined;
      const context = parsed?.params?.context;
      if (context?.name !== PLUGIN_CONTEXT) return null;
      return JSON.stringify({ ...parsed, params: { context: { ...context, name: plugin } } });
    }
    return message;
  };
}
