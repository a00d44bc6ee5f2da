import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Manifest } from '../packages/manifest.ts';
import { compileConfig, type PluginConfig } from './config.ts';

/** A plugin's configuration, taken apart: what the database keeps, what the vault keeps. */
export interface Settings {
  /** Without the sensitive values, defaults filled in; what the guest sees as `config`. */
  readonly plain: PluginConfig;
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * Checks a configuration against the manifest. A sensitive value of `********` (as API answers show it) keeps what is
 * stored.
 *
 * @throws CodedError `validation_failed` with the JSON pointers of what is wrong
 */
export function settingsOf(manifest: Manifest, input: unknown, stored: Settings): Settings {
  const rules = compileConfig(manifest.configSchema, manifest.name);
  const before = rules.joinSensitive(stored.plain, stored.secrets);
  const kept = rules.keepRedacted(input, before);
  const checked = rules.validate(kept.value);
  const { value } = checked;
  const issues = kept.issues.length > 0 ? kept.issues : checked.issues;
  if (issues.length > 0) {
    const errors = issues.map((issue) => ({ ...issue, pointer: `/config${issue.pointer}` }));
    throw new CodedError(
      'validation_failed',
      `The configuration of ${manifest.name}: ${errors[0]?.pointer} ${errors[0]?.message}`,
      {
        errors,
      },
    );
  }
  const { plain, secrets } = rules.splitSensitive(value);
  return { plain, secrets };
}

/** What was stored, under the rules of a (perhaps newer) manifest. Same errors. */
export function storedSettings(manifest: Manifest, stored: Settings): Settings {
  const rules = compileConfig(manifest.configSchema, manifest.name);
  const joined = rules.joinSensitive(stored.plain, stored.secrets);
  // Defaults of the manifest come first, what an admin chose overrides them.
  return settingsOf(manifest, { ...manifest.defaultConfig, ...joined }, stored);
}

/** For API answers: what is stored, with sensitive values masked. */
export function shownConfig(manifest: Manifest, plain: PluginConfig, secretNames: readonly string[]): PluginConfig {
  const rules = compileConfig(manifest.configSchema, manifest.name);
  const secrets = Object.fromEntries(secretNames.map((name) => [name, 'set']));
  return rules.redact(rules.joinSensitive(plain, secrets));
}

/** Whether the manifest has sensitive fields: without them the vault need not be asked. */
export function hasSecrets(manifest: Manifest): boolean {
  return compileConfig(manifest.configSchema, manifest.name).sensitive;
}
