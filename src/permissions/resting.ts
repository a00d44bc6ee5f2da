import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PluginsDeps } from '../../sandbox-apis/plugins/broker.ts';
import type { EventSink } from '../events/deliver.ts';
import type { JobRunner } from '../schedules/types.ts';
import type { Switches } from './switches.ts';

// What a plugin registered stays registered while the capability is switched off, and rests: so a cut plugin still loads,
// and all is there when the switch is on again.

/** Seconds after which a client may look again: an admin has to act first. */
const LOOK_AGAIN_S = 60;

type View = Pick<Switches, 'isOff'>;

/** @throws CodedError `capability_off` while the plugin's endpoints (jobs, methods) rest */
export function demandAwake(switches: View, plugin: string, capability: string): void {
  if (!switches.isOff(plugin, capability)) return;
  const message = `An admin switched "${capability}" off for the plugin ${plugin}`;
  throw new CodedError('capability_off', message, { plugin, capability, retryAfter: LOOK_AGAIN_S });
}

/** Deliveries to a plugin whose `events` are off wait: none is tried, none is lost. */
export function restingEvents(sink: EventSink, switches: View): EventSink {
  return {
    ready: (plugin) => !switches.isOff(plugin, 'events') && sink.ready(plugin),
    async deliver(plugin, event, signal) {
      // Claimed just before the switch: given back, uncounted.
      if (switches.isOff(plugin, 'events')) throw new CodedError('plugin_unavailable');
      await sink.deliver(plugin, event, signal);
    },
  };
}

/** Jobs of a plugin whose `scheduler` is off are skipped. */
export function restingJobs(runner: JobRunner, switches: View): JobRunner {
  return { ...runner, rests: (plugin) => switches.isOff(plugin, 'scheduler') };
}

/** A plugin whose `plugins` is off neither calls others nor is called by them. */
export function restingMethods<P extends Pick<PluginsDeps, 'callMethod'>>(calls: P, switches: View): P {
  return {
    ...calls,
    async callMethod(caller, name, method, args) {
      demandAwake(switches, name, 'plugins');
      return calls.callMethod(caller, name, method, args);
    },
  };
}
