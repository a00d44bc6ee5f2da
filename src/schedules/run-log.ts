import type { PluginLogs } from '../plugins/plugin-log.ts';
import { HISTORY_LIMITS, type HistoryLimits } from './limits.ts';
import type { RunLine } from './tick-store.ts';
import type { RunLog } from './types.ts';

/**
 * The lines of a plugin's log in the time of a run: by time, and not by the run that wrote them, so that guests need to
 * say nothing. What the plugin does meanwhile beside the run is among them.
 */
export function createRunLog(logs: Pick<PluginLogs, 'read'>, limits: HistoryLimits = HISTORY_LIMITS): RunLog {
  return {
    mark: (plugin) => logs.read(plugin, { limit: 1 }).at(-1)?.id ?? 0,
    since(plugin, mark) {
      const kept: RunLine[] = [];
      let chars = 0;
      for (const { time, level, message } of logs.read(plugin, { since: mark, limit: limits.lines }).reverse()) {
        chars += message.length;
        if (chars > limits.chars) break;
        kept.push({ time, level, message });
      }
      return kept.reverse();
    },
  };
}
