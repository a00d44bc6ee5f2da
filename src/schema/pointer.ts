/** A JSON pointer (RFC 6901) one level further down. */
export function below(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The value at a pointer that begins with `#`, through own properties only; undefined when there is none. */
export function resolveLocal(root: unknown, ref: string): unknown {
  let at = root;
  for (const part of ref.split('/').slice(1)) {
    const key = decode(part);
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

function decode(part: string): string {
  const unescaped = part.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(unescaped);
  } catch {
    // No valid percent-encoding: then the text stands for itself, and finds nothing when that is wrong.
    return unescaped;
  }
}
