import manifest from '../../../plugins/streamspace-slack/manifest.json' with { type: 'json' };
import type { SlackSettings } from '../../../plugins/streamspace-slack/settings.ts';

/** The settings that an admin gets who sets nothing: the defaults of the manifest. */
export function settings(changes: Partial<SlackSettings> = {}): SlackSettings {
  const fields = Object.entries(manifest.configSchema.properties);
  const defaults = Object.fromEntries(
    fields.flatMap(([key, field]) => ('default' in field ? [[key, field.default]] : [])),
  );
  return { ...(defaults as unknown as SlackSettings), ...changes };
}
