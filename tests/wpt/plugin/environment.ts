/**
 * What the suite's harness finds around it in a browser and an isolate does not have: where it is, and what kind of global
 * scope it runs in. URLs that are relative there are so to the test, which the platform itself has no notion of.
 */
export function stageFor(href: string, title: string): void {
  const { hash, host, hostname, origin, pathname, port, protocol, search } = new URL(href);
  const location = { hash, host, hostname, href, origin, pathname, port, protocol, search, toString: () => href };
  const { fetch, Request, Response } = globalThis;
  // Web IDL makes a string of whatever is no request; what refuses that, or is no URL then, is for the platform to refuse.
  const absolute = (input: unknown): unknown => {
    if (input instanceof Request || typeof input === 'symbol') return input;
    const text = `${input}`;
    return URL.parse(text, href)?.href ?? text;
  };
  const relative = {
    fetch: new Proxy(fetch, {
      apply(target, self, [input, ...rest]) {
        try {
          return Reflect.apply(target, self, [absolute(input), ...rest]);
        } catch (error) {
          return Promise.reject(error);
        }
      },
    }),
    Request: new Proxy(Request, {
      construct: (target, args, made) =>
        Reflect.construct(target, args.length === 0 ? args : [absolute(args[0]), ...args.slice(1)], made),
    }),
  };
  const { redirect } = Response;
  Response.redirect = new Proxy(redirect, {
    apply: (target, self, [url, ...rest]) => Reflect.apply(target, self, [absolute(url), ...rest]),
  });
  const globals = {
    ...relative,
    location,
    META_TITLE: title,
    GLOBAL: { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false },
  };
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }
}

/**
 * Tells the suite's checks of interfaces which of them to look for: those of a worker. To be called once the harness is
 * there, which would take a worker's messages for its way out.
 */
export function standForWorker(): void {
  const value = function DedicatedWorkerGlobalScope(): void {};
  const isGlobal = (object: unknown): boolean => object === globalThis;
  Object.defineProperty(value, Symbol.hasInstance, { value: isGlobal });
  Object.defineProperty(globalThis, value.name, { value, writable: true, enumerable: false, configurable: true });
}
