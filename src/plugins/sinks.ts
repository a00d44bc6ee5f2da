import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { covers } from '../../sandbox-apis/events/patterns.ts';
import type { PluginsDeps } from '../../sandbox-apis/plugins/broker.ts';
import type { EventSink } from '../events/deliver.ts';
import type { JobRunner } from '../schedules/types.ts';
import { HIBERNATION_LIMITS } from './hibernation.ts';
import type { Lifecycle } from './lifecycle.ts';

/** Delivers events to every handler of the live instance that matches. */
export function createEventSink(lifecycle: () => Lifecycle): EventSink {
  return {
    ready: (name) => lifecycle().get(name)?.isReachable ?? false,
    async deliver(name, event, signal) {
      const plugin = lifecycle().get(name);
      if (plugin === undefined) throw new CodedError('plugin_disabled');
      const instance = await plugin.ready();
      const matching = instance.registrations.subscriptions.filter(({ pattern }) => covers(pattern, event.name));
      instance.admit();
      const results = await Promise.allSettled(
        matching.map(({ handler }) => instance.call(handler, `event ${event.name}`, event, { signal })),
      );
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  };
}

/** Runs jobs in the live instance. */
export function createJobRunner(lifecycle: () => Lifecycle): JobRunner {
  return {
    async run(name, job, signal) {
      const plugin = lifecycle().get(name);
      if (plugin === undefined) throw new CodedError('plugin_disabled');
      const instance = await plugin.ready(HIBERNATION_LIMITS.jobWaitMs);
      // Only now is it known: each instance numbers its handlers anew.
      const found = instance.registrations.jobs.find((registration) => registration.name === job.name);
      if (found === undefined) throw new CodedError('not_found', `The plugin ${name} has no job ${job.name} any more`);
      instance.admit();
      await instance.call(found.handler, `job ${job.name}`, job, { signal });
    },
  };
}

/** What the `plugins` room needs: other plugins, seen from one. */
export function createPluginCalls(lifecycle: () => Lifecycle): Pick<PluginsDeps, 'describe' | 'callMethod'> {
  return {
    describe(name) {
      const plugin = lifecycle().get(name);
      if (plugin === undefined) return null;
      const methods = plugin.registrations?.methods.map((method) => method.name) ?? [];
      return { name, version: plugin.row.version, enabled: plugin.row.enabled, methods };
    },
    async callMethod(caller: Caller, name, method, args) {
      const plugin = lifecycle().get(name);
      if (plugin === undefined) throw new CodedError('plugin_not_found', `No plugin "${name}" is installed`);
      const instance = await plugin.ready();
      const found = instance.registrations.methods.find((registration) => registration.name === method);
      if (found === undefined) {
        throw new CodedError('method_not_exposed', `The plugin ${name} does not expose "${method}"`);
      }
      instance.admit();
      const { signal, depth } = caller;
      try {
        return await instance.call(found.handler, `call ${method}`, { args }, { signal, depth: depth + 1 });
      } catch (error) {
        // The other plugin's stack is its own affair.
        if (error instanceof CodedError && error.code === 'plugin_error') {
          throw new CodedError('plugin_error', error.message, { errorId: error.extra.errorId });
        }
        throw error;
      }
    },
  };
}
