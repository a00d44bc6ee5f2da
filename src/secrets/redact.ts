/** What stands in place of a secret, in logs and in API answers. */
export const MASK = '********';

/** Shorter ones are not masked: they are words of any text, and masking them would tell where they are. */
const MIN_CHARS = 6;

export interface Redactor {
  /** Makes `secrets` the live ones of the plugin; those it had before are forgotten. */
  set(plugin: string, secrets: Iterable<string>): void;
  drop(plugin: string): void;
  /**
   * The text with the plugin's secrets masked: as they are, URL-encoded, in base64 (also inside a longer base64 text, such
   * as Basic credentials) and escaped for JSON. Without `plugin`, those of all plugins.
   */
  redact(text: string, plugin?: string): string;
}

export function createRedactor(): Redactor {
  const patterns = new Map<string, RegExp>();
  return {
    set(plugin, secrets) {
      const forms = new Set([...secrets].filter((secret) => secret.length >= MIN_CHARS).flatMap(formsOf));
      if (forms.size === 0) {
        patterns.delete(plugin);
        return;
      }
      // The longest first: of two that begin alike, the whole of the longer one goes.
      const literals = [...forms].sort((a, b) => b.length - a.length).map(escapeRegExp);
      patterns.set(plugin, new RegExp(literals.join('|'), 'g'));
    },
    drop(plugin) {
      patterns.delete(plugin);
    },
    redact(text, plugin) {
      const of = plugin === undefined ? [...patterns.values()] : [patterns.get(plugin)];
      return of.reduce<string>((masked, pattern) => (pattern ? masked.replace(pattern, MASK) : masked), text);
    },
  };
}

/** How a secret may look in a text; forms that are too short to tell it from other text are left out. */
function formsOf(secret: string): string[] {
  const url = encodeURIComponent(secret.toWellFormed());
  const form = new URLSearchParams([['', secret]]).toString().slice(1);
  const json = JSON.stringify(secret).slice(1, -1);
  const forms = [secret, url, lowerEscapes(url), form, lowerEscapes(form), json, JSON.stringify(json).slice(1, -1)];
  return [...forms, ...base64Forms(secret)].filter((text) => text.length >= MIN_CHARS);
}

function lowerEscapes(encoded: string): string {
  return encoded.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
}

/** What of the base64 of any text around it stays the same: 6-bit groups that lie wholly in the secret, at each offset. */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const groups = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    return [groups, groups.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
