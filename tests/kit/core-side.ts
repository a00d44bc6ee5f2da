import { Answerer, type Resident } from '../../src/broker/answer.ts';
import { createRooms, type Room, type RoomDeps } from '../../src/broker/rooms.ts';
import type { GuestEvents, Loss } from '../../src/host/guest.ts';
import { createLog } from '../../src/log.ts';
import { cleanLine } from '../../src/plugins/log-line.ts';
import { Registrations } from '../../src/plugins/registrations.ts';
import { compileSchema } from '../../src/schema/check.ts';
import { createRedactor } from '../../src/secrets/redact.ts';
import { plainGate } from './gate.ts';
import { memoryFiles } from './memory-files.ts';
import { memoryStore } from './memory-store.ts';
import { noDatabases } from './no-databases.ts';

/** A handler that was run: by whom, and with what grants. */
export interface Handled {
  readonly plugin: string;
  readonly call: string;
  /** The permission that this input needs. */
  readonly needed: string | null;
  readonly covered: boolean;
}

export interface CoreSide {
  /** For the guests of every host. */
  readonly guests: GuestEvents;
  readonly answerer: Answerer;
  /** The core's record of who lives where. */
  settle(isolate: number, resident: Partial<Resident> & { plugin: string }): void;
  readonly handled: readonly Handled[];
  readonly denied: readonly string[];
  /** Isolates that were lost, and how. */
  readonly gone: readonly ({ isolate: number } & Pick<Loss, 'reason' | 'verdict'>)[];
  /** What was logged at warn and above, one object a line. */
  readonly logged: readonly Record<string, unknown>[];
}

/**
 * The core from the channel inwards, over the real rooms: what they need of the outside is in memory, or what `deps` has.
 */
export function coreSide(deps: Partial<RoomDeps> = {}): CoreSide {
  const residents = new Map<number, Resident>();
  const handled: Handled[] = [];
  const denied: string[] = [];
  const gone: ({ isolate: number } & Pick<Loss, 'reason' | 'verdict'>)[] = [];
  const logged: Record<string, unknown>[] = [];
  const log = createLog('warn', { write: (line) => logged.push(JSON.parse(line)) });
  const registrations = new Registrations();
  const redactor = createRedactor();
  const rooms = createRooms({
    api: { registrations, checkSchema: (schema) => void compileSchema(schema) },
    budget: { budget: async () => [] },
    config: { current: () => ({}) },
    connect: { log, lookup: () => Promise.reject(new Error('there is no network')) },
    database: { databases: noDatabases() },
    events: { registrations, publish: async () => 'an id' },
    fetch: { log, lookup: () => Promise.reject(new Error('there is no network')) },
    files: { files: memoryFiles(), signUrl: (plugin, path) => ({ url: `/files/${plugin}/${path}`, expiresAt: '' }) },
    log: { write: (plugin, line) => void cleanLine(line, redactor, plugin) },
    plugins: { registrations, describe: () => null, callMethod: async (_caller, _name, _method, args) => args },
    scheduler: { registrations },
    secrets: { secrets: { get: async () => null, names: async () => [] } },
    services: { registrations },
    storage: { store: memoryStore() },
    ...deps,
  });
  const answerer = new Answerer(
    rooms.map((room) => watched(room, handled)),
    {
      log,
      gate: plainGate(),
      residentOf: (isolate) => residents.get(isolate),
      onDenied: ({ plugin }, call) => denied.push(`${plugin} ${call}`),
      onCall: () => undefined,
      quotasOf: () => ({ countCall: () => undefined, beginCall: () => undefined, endCall: () => undefined }),
    },
  );
  return {
    answerer,
    handled,
    denied,
    gone,
    logged,
    settle(isolate, resident) {
      residents.set(isolate, { version: '1.0.0', grants: [], ...resident });
      registrations.open(isolate);
    },
    guests: {
      onCall: (guest, call) => void answerer.onCall(guest, call),
      onCallAbort: (guest, id) => answerer.onCallAbort(guest, id),
      onDeadline: () => undefined,
      onStats: () => undefined,
      onGone: (guest, { reason, verdict }) => {
        answerer.onGone(guest);
        residents.delete(guest.id);
        registrations.close(guest.id);
        gone.push({ isolate: guest.id, reason, verdict });
      },
    },
  };
}

/** The room, with each run of a handler noted: whether the caller's grants cover what this input needs. */
function watched(room: Room, handled: Handled[]): Room {
  const { contract } = room;
  const entries = Object.entries(room.handlers).map(([key, handler]): [string, typeof handler] => [
    key,
    (caller, input) => {
      const needed = contract.calls[key]?.needs?.(input, caller.plugin) ?? null;
      const allows = contract.allows ?? ((granted: string, wanted: string) => granted === wanted);
      const covered = needed === null || caller.grants.some((grant) => allows(grant, needed));
      handled.push({ plugin: caller.plugin, call: `${contract.name}.${key}`, needed, covered });
      return handler(caller, input);
    },
  ]);
  return { contract, handlers: Object.fromEntries(entries) };
}
