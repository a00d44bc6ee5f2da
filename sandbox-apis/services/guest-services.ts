import { type GuestHost, type Invocation, Later, Reply } from '../_kit/guest.ts';
import { type BodyContent, isOf, wireBody } from '../fetch/guest.ts';
import type { ServicesApi } from './guest.ts';
import { SERVICE_METHODS } from './methods.ts';

/** Internals of the guest's web platform, passed in by the prelude. */
export interface ServicesWeb {
  isResponse(value: unknown): value is Response;
  readResponse(response: Response): { readonly body: BodyContent };
  /** The class as the isolate started with it. */
  readonly Response: typeof Response;
}

type Method = (input: object, context: object) => unknown;

/** What the core asks of a provider (src/services/calls.ts). */
interface Asked {
  readonly method: string;
  readonly input: object;
  /** Whether what it answers is a body. */
  readonly answersBody: boolean;
}

const { apply } = Reflect;
const { hasOwn } = Object;

export function createServices(host: GuestHost, web: ServicesWeb): ServicesApi {
  const bodyOf = (value: unknown): Reply => {
    if (value === null || value === undefined) return new Reply({ found: false }, '', false);
    const { body } = web.readResponse(web.isResponse(value) ? value : new web.Response(value as BodyInit));
    const wire = wireBody(host, body);
    if (wire === null) return new Reply({ found: true }, '', false);
    // Not `in`: the guest may have given all objects a `stream`.
    if (isOf(wire, 'stream')) return new Reply({ found: true, stream: wire.stream }, '', false);
    return isOf(wire, 'text')
      ? new Reply({ found: true }, wire.text, false)
      : new Reply({ found: true }, wire.latin1, true);
  };

  return {
    provide(service, implementation) {
      if (typeof implementation !== 'object' || implementation === null) {
        throw new TypeError('services.provide: the implementation is not an object');
      }
      const known: readonly string[] = hasOwn(SERVICE_METHODS, service) ? SERVICE_METHODS[service] : [];
      const methods: Record<string, Method> = { __proto__: null } as never;
      const names: string[] = [];
      for (let at = 0; at < known.length; at += 1) {
        const name = known[at] as string;
        const method: unknown = (implementation as unknown as Record<string, unknown>)[name];
        if (typeof method !== 'function') continue;
        methods[name] = method as Method;
        names[names.length] = name;
      }
      host.register(
        'services.provide',
        { service, methods: names },
        ({ method, input, answersBody }: Asked, invocation) => {
          const answer = apply(methods[method] as Method, implementation, [input, contextOf(host, invocation)]);
          return new Later(answer, answersBody ? bodyOf : (value) => value);
        },
      );
    },
  };
}

function contextOf(host: GuestHost, invocation: Invocation): object {
  const body = invocation.stream === null ? null : host.readStream(invocation.stream);
  return {
    body,
    get signal(): AbortSignal {
      return invocation.signal;
    },
  };
}
