import { type Static, type TSchema, Type } from '@sinclair/typebox';

/** One method of a service: what the platform passes to a provider, and what it takes from it. */
export interface ServiceMethod<I extends TSchema = TSchema, O extends TSchema = TSchema> {
  readonly summary: string;
  readonly input: I;
  /** What the provider answers as JSON; checked. Of a method that answers a body: whether there is one. */
  readonly output: O;
  /** Where a stream of bytes goes along: to the provider, or back from it. */
  readonly body: 'in' | 'out' | null;
  /** Milliseconds until it has answered; a body that it answers may take longer. */
  readonly deadlineMs: number;
}

/** A service that plugins provide to the platform. */
export interface ServiceKind<
  M extends Readonly<Record<string, ServiceMethod>> = Readonly<Record<string, ServiceMethod>>,
> {
  readonly summary: string;
  /** The sentence that an admin reads before consenting. */
  readonly consent: string;
  readonly methods: M;
}

function method<I extends TSchema, O extends TSchema>(of: ServiceMethod<I, O>): ServiceMethod<I, O> {
  return of;
}

const closed = { additionalProperties: false };
/** Chosen by the platform: 32 letters and digits, never of a plugin's making. */
const Key = Type.String({ pattern: '^[0-9a-f]{32}$' });
const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Whatever it is, nobody looks at it. */
const Ignored = Type.Unknown();

/** Keeps the contents of files. Each is written once, under a key of its own, and never changed. */
const storageBackend = {
  summary: 'Keeps the contents of the files of all plugins.',
  consent: 'Keep the files of all plugins, and so read and change them, once the operator chooses it for that',
  methods: {
    put: method({
      summary: 'Keep a content. Answer when it is durable; fail, and nothing of it may be found under the key.',
      input: Type.Object({ key: Key, size: Type.Union([Bytes, Type.Null()]) }, closed),
      output: Ignored,
      body: 'in',
      deadlineMs: 120_000,
    }),
    get: method({
      summary: 'Give a content, or exactly the part of it that `range` says; null when there is none.',
      input: Type.Object(
        { key: Key, range: Type.Union([Type.Object({ offset: Bytes, length: Bytes }, closed), Type.Null()]) },
        closed,
      ),
      output: Type.Object({ found: Type.Boolean() }, closed),
      body: 'out',
      deadlineMs: 30_000,
    }),
    stat: method({
      summary: 'The size of a content; null when there is none.',
      input: Type.Object({ key: Key }, closed),
      output: Type.Union([Type.Object({ size: Bytes }), Type.Null()]),
      body: null,
      deadlineMs: 30_000,
    }),
    delete: method({
      summary: 'Keep a content no longer. That there is none is no error.',
      input: Type.Object({ key: Key }, closed),
      output: Ignored,
      body: null,
      deadlineMs: 30_000,
    }),
  },
} as const satisfies ServiceKind;

/** All services that there are, by name. */
export const SERVICES = { 'storage-backend': storageBackend } as const satisfies Readonly<Record<string, ServiceKind>>;

export type ServiceName = keyof typeof SERVICES;
export type Methods<S extends ServiceName> = (typeof SERVICES)[S]['methods'];
export type InputOf<S extends ServiceName, M extends keyof Methods<S>> =
  Methods<S>[M] extends ServiceMethod<infer I> ? Static<I> : never;
export type OutputOf<S extends ServiceName, M extends keyof Methods<S>> =
  Methods<S>[M] extends ServiceMethod<TSchema, infer O> ? Static<O> : never;

export function isService(name: string): name is ServiceName {
  return Object.hasOwn(SERVICES, name);
}
