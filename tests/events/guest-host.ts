import type { GuestHandler, GuestHost, Invocation } from '../../sandbox-apis/_kit/guest.ts';

export interface FakeHost {
  readonly host: GuestHost;
  /** What was registered, in order; `invoke` plays the core. */
  readonly registered: {
    readonly call: string;
    readonly input: object;
    readonly invoke: (payload: unknown, controller?: AbortController) => Promise<unknown>;
    readonly accept: (id: number) => Promise<void>;
    readonly refuse: (error: Error) => Promise<void>;
    released: boolean;
  }[];
  readonly sent: [call: string, input: unknown][];
  readonly called: [call: string, input: unknown][];
}

/** The host of a guest without an isolate: notes what a room's guest half asks for, and answers `answers[call]`. */
export function fakeHost(answers: Readonly<Record<string, unknown>> = {}): FakeHost {
  const fake: FakeHost = {
    registered: [],
    sent: [],
    called: [],
    host: {
      plugin: { name: 'test-plugin', version: '1.0.0' },
      call: async <T>(name: string, input: unknown) => {
        fake.called.push([name, input]);
        return answers[name] as T;
      },
      send: (name, input) => void fake.sent.push([name, input]),
      register<T>(call: string, input: object, handler: GuestHandler) {
        const { promise, resolve, reject } = Promise.withResolvers<T>();
        const registration: FakeHost['registered'][number] = {
          call,
          input,
          released: false,
          invoke: async (payload, controller = new AbortController()) => {
            const { signal } = controller;
            const invocation: Invocation = {
              signal,
              body: null,
              binary: false,
              stream: null,
              waitUntil() {},
            };
            return handler(payload, invocation);
          },
          accept: async (id) => {
            resolve({ id } as T);
            await promise;
          },
          refuse: async (error) => {
            reject(error);
            await promise.catch(() => {});
          },
        };
        fake.registered.push(registration);
        const release = () => {
          registration.released = true;
        };
        return { handler: fake.registered.length, done: promise, release };
      },
      readStream: () => new ReadableStream(),
      writeStream: () => 1,
      config: () => ({}),
    },
  };
  return fake;
}
