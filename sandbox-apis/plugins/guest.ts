import type { GuestHost } from '../_kit/guest.ts';
import { assertJson } from '../_kit/json.ts';

/** An installed plugin, as others see it. */
export interface PluginInfo {
  readonly name: string;
  readonly version: string;
  readonly enabled: boolean;
  /** Names of the methods that it exposes at the moment. */
  readonly methods: readonly string[];
}

// biome-ignore lint/suspicious/noExplicitAny: arguments and answers are whatever two plugins agree on
type Method = (...args: any[]) => unknown;

/** `streamspace.plugins`: talk to other plugins. */
export interface PluginsApi {
  /** What is installed under that name; null when nothing is. */
  get(name: string): Promise<PluginInfo | null>;
  /** Whether it is installed and enabled. */
  isEnabled(name: string): Promise<boolean>;
  /**
   * Calls a method that the plugin `name` exposes; arguments and answer travel as JSON. Needs `plugins:call:<name>`.
   * Rejects with `method_not_exposed`, `plugin_unavailable`, `plugin_error` (its message), `too_deep`, ...
   *
   * @example
   * ```ts
   * const { plugins } = streamspace;
   * if (await plugins.isEnabled('streamspace-billing')) {
   *   const cost = await plugins.call<number>('streamspace-billing', 'costOf', { hours: 3 });
   *   streamspace.log.info('cost', { cost });
   * }
   * ```
   */
  call<T = unknown>(name: string, method: string, ...args: unknown[]): Promise<T>;
  /**
   * Lets other plugins call these functions. Nothing else of this plugin can be reached.
   *
   * @example
   * ```ts
   * streamspace.plugins.expose({ costOf: (session: { hours: number }) => session.hours * 0.05 });
   * ```
   */
  expose(methods: Readonly<Record<string, Method>>): void;
}

export function createPlugins(host: GuestHost): PluginsApi {
  const get = (name: string): Promise<PluginInfo | null> => host.call('plugins.get', { name });
  return {
    get,
    isEnabled: async (name) => (await get(name))?.enabled === true,
    async call(name, method, ...args) {
      assertJson(args, 'args');
      return await host.call('plugins.call', { name, method, args });
    },
    expose(methods) {
      for (const [method, fn] of Object.entries(methods)) {
        if (typeof fn !== 'function') throw new TypeError(`plugins.expose: "${method}" is not a function`);
        host.register('plugins.expose', { method }, (payload: { args: unknown[] }) => fn(...payload.args));
      }
    },
  };
}
