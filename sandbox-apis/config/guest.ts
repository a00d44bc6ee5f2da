import type { GuestHost } from '../_kit/guest.ts';

/**
 * `streamspace.config`: the plugin's configuration, validated against its schema, defaults filled in. Fields are read
 * as properties (`config.channel`). It is a live view: after the admin changed the configuration, the same object shows
 * the new values, before `onConfigChange` is called. Nothing in it can be changed. Copy it with `{ ...config }` where a
 * plain object is needed (`structuredClone`).
 */
export type ConfigApi<T extends object = Record<string, unknown>> = Readonly<T>;

export function createConfig(host: GuestHost): ConfigApi {
  let frozen: object | null = null;
  const current = (): Record<string, unknown> => {
    const config = host.config();
    if (config !== frozen) frozen = deepFreeze(config);
    return config;
  };
  // An empty target: a Proxy must answer for the own properties of its target, and these change.
  return new Proxy<Record<string, unknown>>(
    {},
    {
      get: (_, key) => Reflect.get(current(), key),
      has: (_, key) => Reflect.has(current(), key),
      ownKeys: () => Reflect.ownKeys(current()),
      getOwnPropertyDescriptor(_, key) {
        const found = Reflect.getOwnPropertyDescriptor(current(), key);
        return found && { ...found, writable: false, configurable: true };
      },
      set: refuse,
      defineProperty: refuse,
      deleteProperty: refuse,
      setPrototypeOf: refuse,
      preventExtensions: refuse,
    },
  );
}

function refuse(): never {
  throw new TypeError('the configuration is read-only: only the admin changes it');
}

/** Freezes what JSON made; it has no circles, and the core has limited its depth. */
function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
