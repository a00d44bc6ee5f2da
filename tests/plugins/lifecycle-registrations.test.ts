import { describe, expect, test } from 'bun:test';
import type { JobRegistration, NewRegistration, RouteRegistration } from '../../sandbox-apis/_kit/registrations.ts';
import { RegistrationSet, Registrations } from '../../src/plugins/registrations.ts';
import { testCaller } from '../kit/caller.ts';

const route = (method: string, path: string): RouteRegistration => ({
  kind: 'route',
  handler: 1,
  method,
  path,
  auth: 'user',
  permissions: [],
  rateLimit: null,
  validation: null,
  summary: null,
});
const job = (name: string): JobRegistration => ({
  kind: 'job',
  handler: 1,
  name,
  when: { everyMs: 1_000 },
  overlap: 'skip',
  catchUp: 'none',
  jitterMs: 0,
  retries: 0,
});

describe('routes', () => {
  test('the one that says most wins, whatever the order', () => {
    for (const order of [
      ['/*', '/a/:id', '/a/b'],
      ['/a/b', '/a/:id', '/*'],
    ]) {
      const set = new RegistrationSet();
      for (const path of order) set.add(route('GET', path));
      const found = (path: string) => set.find('GET', path)?.store.registration.path;
      expect([found('/a/b'), found('/a/c'), found('/x/y')]).toEqual(['/a/b', '/a/:id', '/*']);
    }
  });

  test('HEAD is answered by GET, and ALL answers what nothing else does', () => {
    const set = new RegistrationSet();
    set.add(route('GET', '/a'));
    set.add(route('ALL', '/a'));
    set.add(route('ALL', '/b'));
    expect(set.find('HEAD', '/a')?.store.registration.method).toBe('GET');
    expect(set.find('POST', '/a')?.store.registration.method).toBe('ALL');
    expect(set.find('GET', '/b')?.store.registration.method).toBe('ALL');
    expect(set.find('GET', '/c')).toBeNull();
    expect(set.methodsOn('/a').sort()).toEqual(['ALL', 'GET']);
  });

  test('parameters of other names at the same place do not disturb each other', () => {
    const set = new RegistrationSet();
    set.add(route('GET', '/a/:x'));
    set.add(route('GET', '/a/:y/b'));
    expect(set.find('GET', '/a/1')?.params).toEqual({ x: '1' });
    expect(set.find('GET', '/a/1/b')?.params).toEqual({ y: '1' });
  });

  test('two spellings of one address conflict', () => {
    const set = new RegistrationSet();
    set.add(route('GET', '/a/:x'));
    expect(() => set.add(route('GET', '/a/:y'))).toThrow(expect.objectContaining({ code: 'registration_conflict' }));
    set.add(route('POST', '/a/:y'));
  });

  test('one that is removed is gone at once, and its address is free', () => {
    const set = new RegistrationSet();
    const id = set.add(route('GET', '/a'));
    expect(set.find('GET', '/a')).not.toBeNull();
    set.remove(id);
    set.remove(id);
    expect(set.find('GET', '/a')).toBeNull();
    set.add(route('GET', '/a'));
    expect(set.find('GET', '/a')).not.toBeNull();
  });
});

test.each([
  ['route', 500, (n: number): NewRegistration => route('GET', `/r${n}`)],
  [
    'subscription',
    200,
    (n: number): NewRegistration => ({ kind: 'subscription', handler: n, pattern: 'user.*', once: false }),
  ],
  ['job', 100, (n: number): NewRegistration => job(`j${n}`)],
  ['method', 200, (n: number): NewRegistration => ({ kind: 'method', handler: 1, name: `m${n}` })],
  ['service', 16, (n: number): NewRegistration => ({ kind: 'service', handler: 1, name: `s${n}` })],
] as const)('a plugin holds so many of a %s: %d', (_kind, limit, make) => {
  const set = new RegistrationSet();
  const ids = Array.from({ length: limit }, (_, n) => set.add(make(n + 1)));
  expect(() => set.add(make(limit + 1))).toThrow(expect.objectContaining({ code: 'quota_exceeded' }));
  set.remove(ids[0] as number);
  set.add(make(limit + 1));
});

test('jobs and methods have names of their own', () => {
  const set = new RegistrationSet();
  set.add(job('a'));
  set.add({ kind: 'method', handler: 1, name: 'a' });
  expect(() => set.add(job('a'))).toThrow(expect.objectContaining({ code: 'registration_conflict' }));
  expect(() => set.add({ kind: 'method', handler: 2, name: 'a' })).toThrow(
    expect.objectContaining({ code: 'registration_conflict' }),
  );
  expect(set.jobs.map(({ name }) => name)).toEqual(['a']);
});

test('each isolate has its own, also two of one plugin; what is closed takes nothing', () => {
  const all = new Registrations();
  const [old, fresh] = [all.open(1), all.open(2)];
  all.add(testCaller({ isolate: 1 }).caller, route('GET', '/old'));
  all.add(testCaller({ isolate: 2 }).caller, route('GET', '/fresh'));
  expect(old.routes.map(({ path }) => path)).toEqual(['/old']);
  expect(fresh.routes.map(({ path }) => path)).toEqual(['/fresh']);
  // Numbers are of one set: the other's cannot be removed by guessing them.
  all.remove(testCaller({ isolate: 2 }).caller, 99);
  all.close(1);
  expect(() => all.add(testCaller({ isolate: 1 }).caller, route('GET', '/late'))).toThrow(
    expect.objectContaining({ code: 'aborted' }),
  );
  all.remove(testCaller({ isolate: 1 }).caller, 1);
  expect(old.routes).toHaveLength(1);
});

test('changes after going live are told by kind', () => {
  const set = new RegistrationSet();
  set.add(job('before'));
  const told: string[] = [];
  set.onChange = (kind) => told.push(kind);
  const id = set.add({ kind: 'subscription', handler: 1, pattern: 'a', once: false });
  set.add(job('after'));
  set.remove(id);
  expect(told).toEqual(['subscription', 'job', 'subscription']);
});
