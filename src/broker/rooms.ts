import type { CallContract, Handlers, RoomContract } from '../../sandbox-apis/_kit/contract.ts';
import { type ApiDeps, createApiBroker } from '../../sandbox-apis/api/broker.ts';
import { apiContract } from '../../sandbox-apis/api/contract.ts';
import { type BudgetDeps, createBudgetBroker } from '../../sandbox-apis/budget/broker.ts';
import { budgetContract } from '../../sandbox-apis/budget/contract.ts';
import { type ConfigDeps, createConfigBroker } from '../../sandbox-apis/config/broker.ts';
import { configContract } from '../../sandbox-apis/config/contract.ts';
import { type ConnectDeps, createConnectBroker } from '../../sandbox-apis/connect/broker.ts';
import { connectContract } from '../../sandbox-apis/connect/contract.ts';
import { createDatabaseBroker, type DatabaseDeps } from '../../sandbox-apis/database/broker.ts';
import { databaseContract } from '../../sandbox-apis/database/contract.ts';
import { createEventsBroker, type EventsDeps } from '../../sandbox-apis/events/broker.ts';
import { eventsContract } from '../../sandbox-apis/events/contract.ts';
import { createFetchBroker, type FetchDeps } from '../../sandbox-apis/fetch/broker.ts';
import { fetchContract } from '../../sandbox-apis/fetch/contract.ts';
import { createFilesBroker, type FilesDeps } from '../../sandbox-apis/files/broker.ts';
import { filesContract } from '../../sandbox-apis/files/contract.ts';
import { createLogBroker, type LogDeps } from '../../sandbox-apis/log/broker.ts';
import { logContract } from '../../sandbox-apis/log/contract.ts';
import { createPluginsBroker, type PluginsDeps } from '../../sandbox-apis/plugins/broker.ts';
import { pluginsContract } from '../../sandbox-apis/plugins/contract.ts';
import { createSchedulerBroker, type SchedulerDeps } from '../../sandbox-apis/scheduler/broker.ts';
import { schedulerContract } from '../../sandbox-apis/scheduler/contract.ts';
import { createSecretsBroker, type SecretsDeps } from '../../sandbox-apis/secrets/broker.ts';
import { secretsContract } from '../../sandbox-apis/secrets/contract.ts';
import { createServicesBroker, type ServicesDeps } from '../../sandbox-apis/services/broker.ts';
import { servicesContract } from '../../sandbox-apis/services/contract.ts';
import { createStorageBroker, type StorageDeps } from '../../sandbox-apis/storage/broker.ts';
import { storageContract } from '../../sandbox-apis/storage/contract.ts';
import { inSpace, type StagedOf } from '../plugins/staged.ts';

/** A room as the broker runs it. */
export interface Room {
  readonly contract: RoomContract<Record<string, CallContract>>;
  readonly handlers: Handlers<RoomContract>;
}

/** What all rooms together need of the core. */
export interface RoomDeps {
  /** What isolates have that are loaded for a change; none has anything when absent. */
  readonly stagedOf?: StagedOf;
  readonly api: ApiDeps;
  readonly budget: BudgetDeps;
  readonly config: ConfigDeps;
  readonly connect: ConnectDeps;
  readonly database: DatabaseDeps;
  readonly events: EventsDeps;
  readonly fetch: FetchDeps;
  readonly files: FilesDeps;
  readonly log: LogDeps;
  readonly plugins: PluginsDeps;
  readonly scheduler: SchedulerDeps;
  readonly secrets: SecretsDeps;
  readonly services: ServicesDeps;
  readonly storage: StorageDeps;
}

/** The one list of rooms: a new capability is one line here, and one in `createRooms`. */
export const CONTRACTS: readonly RoomContract[] = [
  apiContract,
  budgetContract,
  configContract,
  connectContract,
  databaseContract,
  eventsContract,
  fetchContract,
  filesContract,
  logContract,
  pluginsContract,
  schedulerContract,
  secretsContract,
  servicesContract,
  storageContract,
];

export function createRooms(deps: RoomDeps): readonly Room[] {
  const { stagedOf = () => null } = deps;
  return [
    room(apiContract, createApiBroker(deps.api)),
    room(budgetContract, createBudgetBroker(deps.budget)),
    room(configContract, createConfigBroker(deps.config)),
    room(connectContract, createConnectBroker(deps.connect)),
    room(databaseContract, createDatabaseBroker(deps.database)),
    room(eventsContract, createEventsBroker(deps.events)),
    room(fetchContract, createFetchBroker(deps.fetch)),
    room(filesContract, inSpace(createFilesBroker(deps.files), stagedOf, ['url'])),
    room(logContract, createLogBroker(deps.log)),
    room(pluginsContract, createPluginsBroker(deps.plugins)),
    room(schedulerContract, createSchedulerBroker(deps.scheduler)),
    room(secretsContract, createSecretsBroker(deps.secrets)),
    room(servicesContract, createServicesBroker(deps.services)),
    room(storageContract, inSpace(createStorageBroker(deps.storage), stagedOf)),
  ];
}

/** Pairs a contract with its handlers; that each call has its handler, and no other, is checked by the types. */
function room<R extends RoomContract>(contract: R, handlers: Handlers<R>): Room {
  return { contract, handlers: handlers as Handlers<RoomContract> };
}
