import { Value } from '@sinclair/typebox/value';
import { fromCore, StreamSpaceError } from '../../runtime/guest/errors.ts';
import type { CallContract, Caller } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { GuestHost } from '../../sandbox-apis/_kit/guest.ts';
import { createDatabaseBroker } from '../../sandbox-apis/database/broker.ts';
import { databaseContract } from '../../sandbox-apis/database/contract.ts';
import type { DatabaseApi, DatabaseEnv } from '../../sandbox-apis/database/guest.ts';
import { createDatabase } from '../../sandbox-apis/database/guest-database.ts';
import type { DatabaseService } from '../../sandbox-apis/database/service.ts';
import { testCaller } from './caller.ts';

/** What the guest half is given, of this side's language. */
export const DATABASE_ENV: DatabaseEnv = {
  apply: Reflect.apply,
  charCodeAt: (text, at) => text.charCodeAt(at),
  defineProperty: Object.defineProperty,
  hasOwn: Object.hasOwn,
  indexOf: (text, part, from) => text.indexOf(part, from),
  isArray: Array.isArray,
  parse: JSON.parse,
  slice: (text, start, end) => text.slice(start, end),
  stringify: JSON.stringify,
  toISOString: Date.prototype.toISOString,
  bind: (callback) => callback,
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
  StreamSpaceError,
};

export interface DatabaseRoom {
  /** The guest half over the handlers, without an isolate between. */
  readonly database: DatabaseApi;
  /** One call as the core makes it: schema, handler, schema. */
  call<T>(name: string, input: unknown): Promise<T>;
  /** Names of the calls so far. */
  readonly called: readonly string[];
}

/** The database room over a service. */
export function databaseRoom(databases: DatabaseService): DatabaseRoom {
  const handlers = createDatabaseBroker({ databases });
  const tested = testCaller({ grants: ['database'] });
  const called: string[] = [];

  async function call<T>(name: string, given: unknown): Promise<T> {
    called.push(name);
    const key = name.slice('database.'.length) as keyof typeof handlers;
    const contract: CallContract = databaseContract.calls[key];
    const input: unknown = JSON.parse(JSON.stringify(given));
    if (!Value.Check(contract.input, input)) throw new CodedError('invalid_input', 'the schema refuses the input');
    const output = await (handlers[key] as (caller: Caller, input: unknown) => unknown)(tested.caller, input);
    if (!Value.Check(contract.output, output)) throw new Error('the handler answered what its contract does not allow');
    return JSON.parse(JSON.stringify(output)) as T;
  }

  const host = {
    call: (name: string, input: unknown) =>
      call(name, input).catch((error: unknown) => {
        if (!(error instanceof CodedError)) throw error;
        throw fromCore({ code: error.code, message: error.message, extra: error.extra }, {});
      }),
    readStream: (id: number) => tested.take(id),
  } as unknown as GuestHost;
  return { database: createDatabase(host, DATABASE_ENV), call, called };
}
