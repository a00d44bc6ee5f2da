import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS } from '../../sandbox-apis/_kit/errors.ts';
import { Answerer } from '../../src/broker/answer.ts';
import { CONTRACTS, createRooms, type Room, type RoomDeps } from '../../src/broker/rooms.ts';
import { createLog } from '../../src/log.ts';
import { fakeGuest, type Reply } from '../kit/fake-guest.ts';
import { plainGate } from '../kit/gate.ts';
import { looseParts } from './bounds.ts';
import { ANY_JSON, NEEDED, SAMPLES } from './samples.ts';

// What holds for every call of every room, because its contract says it (DESIGN 3).

const ROOMS = join(import.meta.dir, '../../sandbox-apis');

/** Stands for what the rooms need of the core; nothing of it may be reached here. */
const unreachable = (): never => {
  throw new Error('a handler was run');
};
const untouchable = new Proxy(Object.assign(unreachable, {}), { get: () => untouchable }) as never;
const rooms = createRooms({
  api: { registrations: untouchable, checkSchema: unreachable },
  budget: { budget: unreachable },
  config: { current: unreachable },
  connect: { log: createLog('silent') },
  database: { databases: untouchable },
  events: { registrations: untouchable, publish: unreachable },
  fetch: { log: createLog('silent') },
  files: { files: untouchable, signUrl: unreachable },
  log: { write: unreachable },
  plugins: { registrations: untouchable, describe: unreachable, callMethod: unreachable },
  scheduler: { registrations: untouchable },
  secrets: { secrets: untouchable },
  services: { registrations: untouchable },
  storage: { store: untouchable },
} satisfies RoomDeps);

const CALLS = rooms.flatMap(({ contract, handlers }) =>
  Object.entries(contract.calls).map(([key, call]) => ({
    name: `${contract.name}.${key}`,
    key,
    contract,
    handlers,
    call,
  })),
);

/** Calls with these grants; answers what the guest gets, with what the audit was told. */
async function call(
  only: readonly Room[],
  name: string,
  input: unknown,
  grants: readonly string[] = [],
): Promise<Reply & { readonly denied: string[] }> {
  const denied: string[] = [];
  const answerer = new Answerer(only, {
    gate: plainGate(),
    log: createLog('silent'),
    residentOf: () => ({ plugin: 'caller', version: '1.0.0', grants }),
    onDenied: (_resident, denial) => denied.push(denial),
    onCall: () => undefined,
    quotasOf: () => ({ countCall: () => undefined, beginCall: () => undefined, endCall: () => undefined }),
  });
  const { guest, reply } = fakeGuest();
  const bytes = Buffer.from(typeof input === 'string' ? input : JSON.stringify(input));
  void answerer.onCall(guest, { id: 7, name: JSON.stringify(name), input: bytes, oneway: false });
  return { ...(await reply(7)), denied };
}

test('the samples are complete, and there is no room without a contract in the list', () => {
  expect(Object.keys(SAMPLES).sort()).toEqual(CALLS.map(({ name }) => name).sort());
  const folders = readdirSync(ROOMS, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== '_kit',
  );
  expect(CONTRACTS.map(({ name }) => name).sort()).toEqual(folders.map(({ name }) => name).sort());
  expect(rooms.map(({ contract }) => contract)).toEqual([...CONTRACTS]);
});

describe.each(CONTRACTS.map((contract) => [contract.name, contract] as const))('the room %s', (name, contract) => {
  test('says what it is for, and what its permissions mean', () => {
    expect(contract.summary.length).toBeGreaterThan(10);
    for (const { pattern, example, describe: sentence } of contract.permissions) {
      expect(example).toMatch(new RegExp(`^(?:${pattern})$`));
      expect(sentence(example)).toMatch(/^[A-Z].{10,}/);
    }
  });

  test('has a README with its permission, its errors and an example', () => {
    const path = join(ROOMS, name, 'README.md');
    expect(existsSync(path)).toBe(true);
    const text = readFileSync(path, 'utf8');
    for (const part of [/permission/i, /error/i, /```ts\n/]) expect(text).toMatch(part);
    for (const { example } of contract.permissions) {
      const kind = example.split(':').slice(0, -1).join(':') || example;
      expect(text).toContain(kind);
    }
  });
});

describe.each(CALLS.map((one) => [one.name, one] as const))('%s', (name, { key, contract, handlers, call: of }) => {
  test('has a summary, a handler, a deadline and errors of the registry', () => {
    expect(of.summary.length).toBeGreaterThan(10);
    expect(Object.keys(handlers)).toContain(key);
    expect(Object.keys(contract.calls)).toEqual(expect.arrayContaining(Object.keys(handlers)));
    expect(of.deadlineMs).toBeGreaterThan(0);
    expect(of.deadlineMs).toBeLessThanOrEqual(120_000);
    for (const code of of.errors) expect(Object.keys(ERRORS)).toContain(code);
  });

  test('bounds its input', () => {
    const loose = looseParts(of.input).map(({ at, why }) => ({ at: name + at, why }));
    expect(loose.filter(({ at, why }) => why !== 'any JSON' || !ANY_JSON.includes(at))).toEqual([]);
  });

  test('refuses input that does not fit, and names what is wrong', async () => {
    const sample = SAMPLES[name] as Record<string, unknown>;
    for (const input of ['', '{', 'null', '[]', '5', JSON.stringify({ ...sample, surprise: 1 })]) {
      const { error } = await call(rooms, name, input);
      expect(error?.code).toBe('invalid_input');
      expect(error?.message).toStartWith(`${name}: `);
    }
    expect((await call(rooms, name, { ...sample, surprise: 1 })).error?.message).toContain('surprise');
    for (const field of Object.keys(sample)) {
      if (ANY_JSON.includes(`${name}/${field}`)) continue;
      const { error } = await call(rooms, name, { ...sample, [field]: { deep: [{}] } });
      expect(error).toMatchObject({ code: 'invalid_input', extra: { pointer: expect.stringContaining(`/${field}`) } });
      expect(error?.message).toContain(field);
    }
  });

  test('asks the gate, which names what is missing', async () => {
    const sample = SAMPLES[name];
    const needed = of.needs?.(sample as never, 'caller') ?? null;
    expect(needed).toBe(NEEDED[name] ?? null);
    if (needed === null) return;
    const { error, denied } = await call(rooms, name, sample, [
      'users:write',
      'plugins:call:another',
      'network:evil.example',
    ]);
    expect(error).toMatchObject({ code: 'permission_denied', extra: { permission: needed } });
    expect(error?.message).toContain(needed);
    expect(denied).toHaveLength(1);
  });

  test('keeps to its deadline, by the clock of the core', async () => {
    const never = {
      contract: { ...contract, calls: { [key]: { ...of, deadlineMs: 5 } } },
      handlers: { [key]: () => new Promise<never>(() => {}) },
    };
    const grants = NEEDED[name] === undefined ? [] : [NEEDED[name]];
    expect((await call([never as Room], name, SAMPLES[name], grants)).error).toMatchObject({
      code: 'deadline_exceeded',
    });
  });
});

test('a call that is in no contract is unknown', async () => {
  for (const name of ['storage.drop', 'storage', 'constructor', '__proto__', 'storage.__proto__', 'fs.read']) {
    expect((await call(rooms, name, {})).error?.code).toBe('unknown_call');
  }
});
