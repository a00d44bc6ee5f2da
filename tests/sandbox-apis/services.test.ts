import { describe, expect, test } from 'bun:test';
import type { GuestHandler, GuestHost, Invocation } from '../../sandbox-apis/_kit/guest.ts';
import { Later, Reply } from '../../sandbox-apis/_kit/guest.ts';
import { createServicesBroker } from '../../sandbox-apis/services/broker.ts';
import { servicesContract } from '../../sandbox-apis/services/contract.ts';
import { createServices, type ServicesWeb } from '../../sandbox-apis/services/guest-services.ts';
import { SERVICES } from '../../sandbox-apis/services/kinds.ts';
import { SERVICE_METHODS } from '../../sandbox-apis/services/methods.ts';
import { testCaller } from '../kit/caller.ts';

const NAME = 'storage-backend';
const METHODS = ['put', 'get', 'stat', 'delete'];

describe('the core', () => {
  const added: unknown[] = [];
  const broker = createServicesBroker({
    registrations: { add: (_caller, registration) => added.push(registration), remove: () => undefined },
  });
  const { caller } = testCaller({ plugin: 'provider' });

  test('takes a provider that has all methods, and no other', () => {
    expect(broker.provide(caller, { service: NAME, methods: [...METHODS, 'more'], handler: 3 })).toEqual({ id: 1 });
    expect(added).toEqual([{ kind: 'service', name: NAME, handler: 3 }]);
    const refused = [
      { service: NAME, methods: ['put', 'get'] },
      { service: 'constructor', methods: METHODS },
      { service: 'mail', methods: METHODS },
    ];
    for (const input of refused) {
      expect(() => broker.provide(caller, { ...input, handler: 1 })).toThrow(
        expect.objectContaining({ code: 'invalid_input' }),
      );
    }
    expect(() => broker.provide(caller, { service: NAME, methods: ['put', 'get'], handler: 1 })).toThrow(
      'stat, delete',
    );
  });

  test('needs the permission of that service, whose sentence says what it means', () => {
    const { needs } = servicesContract.calls.provide;
    expect(needs?.({ service: NAME, methods: [], handler: 1 }, 'provider')).toBe('services:provide:storage-backend');
    const [kind] = servicesContract.permissions;
    expect(kind?.describe('services:provide:storage-backend')).toContain('files of all plugins');
    expect(kind?.pattern).not.toContain('*');
  });

  test('names the same methods to the guest', () => {
    for (const [name, { methods }] of Object.entries(SERVICES)) {
      expect(Object.keys(methods)).toEqual([...SERVICE_METHODS[name as typeof NAME]]);
    }
  });
});

describe('the guest', () => {
  const registered: { name: string; input: object; handler: GuestHandler }[] = [];
  const written: ReadableStream<Uint8Array>[] = [];
  const host = {
    register: (name: string, input: object, handler: GuestHandler) => registered.push({ name, input, handler }),
    readStream: (id: number) => new Blob([`stream ${id}`]).stream(),
    writeStream: (stream: ReadableStream<Uint8Array>) => written.push(stream),
  } as unknown as GuestHost;
  const web: ServicesWeb = {
    Response,
    isResponse: (value): value is Response => value instanceof Response,
    readResponse: (response) =>
      response.body === null
        ? { body: { kind: 'none' } }
        : { body: { kind: 'stream', stream: response.body as ReadableStream<Uint8Array> } },
  };
  const services = createServices(host, web);
  const invocation = (stream: number | null) =>
    ({
      stream,
      signal: AbortSignal.abort('over'),
      body: null,
      binary: false,
      waitUntil: () => undefined,
    }) as Invocation;

  class Store {
    readonly seen: unknown[] = [];
    async put(object: object, { body, signal }: { body: ReadableStream<Uint8Array>; signal: AbortSignal }) {
      this.seen.push(object, await new Response(body).text(), signal.reason);
    }
    get({ key }: { key: string }) {
      return key === 'none' ? null : new Response(`content of ${key}`);
    }
    stat() {
      return { size: 5 };
    }
    delete() {}
  }

  test('offers the methods of a class as well, and calls them as its own', async () => {
    const store = new Store();
    services.provide(NAME, store as never);
    const [{ name, input, handler } = { name: '', input: {}, handler: () => null }] = registered;
    expect([name, input]).toEqual(['services.provide', { service: NAME, methods: METHODS }]);
    const later = handler({ method: 'put', input: { key: 'k' }, answersBody: false }, invocation(4)) as Later;
    expect(later).toBeInstanceOf(Later);
    expect(later.finish(await later.value)).toBeUndefined();
    expect(store.seen).toEqual([{ key: 'k' }, 'stream 4', 'over']);

    const none = handler({ method: 'get', input: { key: 'none' }, answersBody: true }, invocation(null)) as Later;
    expect(none.finish(none.value)).toEqual(new Reply({ found: false }, '', false));
    const some = handler({ method: 'get', input: { key: 'k' }, answersBody: true }, invocation(null)) as Later;
    expect(some.finish(some.value)).toEqual(new Reply({ found: true, stream: 1 }, '', false));
    expect(await new Response(written[0]).text()).toBe('content of k');
  });

  test('what is no implementation is a TypeError', () => {
    for (const bad of [null, undefined, 5, () => null]) {
      expect(() => services.provide(NAME, bad as never)).toThrow(TypeError);
    }
  });
});
