import { join, resolve } from 'node:path';
import type { Caller } from '../sandbox-apis/_kit/contract.ts';
import { capabilityOff } from '../sandbox-apis/_kit/errors.ts';
import { fetchContract } from '../sandbox-apis/fetch/contract.ts';
import { DEFAULT_STORAGE_QUOTA } from '../sandbox-apis/storage/limits.ts';
import { createApp } from './app.ts';
import { ensureFirstAdmin } from './auth/first-admin.ts';
import { createAuth } from './auth/service.ts';
import { Answerer } from './broker/answer.ts';
import { CONTRACTS, createRooms } from './broker/rooms.ts';
import { type Config, loadSecretKey } from './config.ts';
import { closeDb, createDb, type DbAddress } from './db/client.ts';
import { lockDataDir } from './db/data-lock.ts';
import { startEmbedded } from './db/embedded.ts';
import { migrate } from './db/migrate.ts';
import { createSql } from './db/sql.ts';
import { createDispatcher, type Dispatcher } from './events/deliver.ts';
import { publish } from './events/publish.ts';
import type { Guest } from './host/guest.ts';
import type { PluginLimits } from './host/limits.ts';
import { assertMayRun, warning } from './host/policy.ts';
import { loadPrelude } from './host/prelude.ts';
import { Supervisor } from './host/supervisor.ts';
import { eventsRoutes } from './http/events.ts';
import { createGateway } from './http/gateway.ts';
import { inspectorRoutes } from './http/inspector.ts';
import { createInspectorSocket } from './http/inspector-socket.ts';
import { schemaRoutes } from './http/manifest-schema.ts';
import { installRoutes } from './http/plugin-install.ts';
import { pluginPaths } from './http/plugin-paths.ts';
import { permissionRoutes } from './http/plugin-permissions.ts';
import { pluginRoutes } from './http/plugins.ts';
import { postMortemRoutes } from './http/post-mortems.ts';
import { serve } from './http/serve.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createBundler } from './packages/bundle.ts';
import { createDenials } from './permissions/denials.ts';
import { createGate } from './permissions/gate.ts';
import { PermissionCatalog } from './permissions/grants.ts';
import { restingEvents, restingJobs, restingMethods } from './permissions/resting.ts';
import { Switches } from './permissions/switches.ts';
import { Uses } from './permissions/uses.ts';
import { PluginFolders } from './plugins/folders.ts';
import { createHibernationMetrics, defaultMaxIsolates, machineMemory } from './plugins/hibernation.ts';
import { Inspections } from './plugins/inspections.ts';
import { Lifecycle } from './plugins/lifecycle.ts';
import { limitsOfPlugin } from './plugins/limits.ts';
import type { Inhabitant } from './plugins/loader.ts';
import { withAuthorsPlaces } from './plugins/log-stacks.ts';
import { createMeters } from './plugins/meters.ts';
import { lodgingOf } from './plugins/placement.ts';
import { createPluginLogs } from './plugins/plugin-log.ts';
import { Registrations } from './plugins/registrations.ts';
import { createEventSink, createJobRunner, createPluginCalls } from './plugins/sinks.ts';
import { createPostMortems } from './post-mortems/post-mortems.ts';
import { createBudget } from './quotas/budget.ts';
import { Quotas } from './quotas/quotas.ts';
import { waitingEvents, waitingJobs } from './quotas/waiting.ts';
import { readinessChecks } from './readiness.ts';
import { createSchedules } from './schedules/schedules.ts';
import { compileSchema } from './schema/check.ts';
import { createRedactor } from './secrets/redact.ts';
import { createVault } from './secrets/vault.ts';
import { createStore } from './storage/store.ts';
import { sweepExpired } from './storage/sweep.ts';
import { createUsers } from './users/service.ts';

export interface Core {
  readonly url: string;
  readonly admin: { readonly email: string; readonly password: string | null };
  /** Takes no new work, ends what is under way within bounds, and stops every child. */
  stop(): Promise<void>;
}

/** How often expired storage entries are removed, in milliseconds; they read as absent at once. */
const SWEEP_MS = 60_000;
/** Database connections of the core; the embedded server allows 60. */
const POOL_SIZE = 20;

/**
 * Starts everything, in the order in which the parts need each other: data folder, database, isolate host, plugins,
 * HTTP. What was started is stopped again when a later part fails.
 *
 * @param onFatal a part that the core cannot live without has ended by itself
 */
export async function startCore(config: Config, log: Log, onFatal: (reason: string) => void): Promise<Core> {
  const undo: (() => Promise<void> | void)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) {
      await Promise.resolve(step()).catch((error: unknown) => log.error({ err: error }, 'a part did not stop cleanly'));
    }
  };
  try {
    return await start({ config, log, onFatal }, undo, stopAll);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

type Undo = (() => Promise<void> | void)[];

interface Surroundings {
  readonly config: Config;
  readonly log: Log;
  readonly onFatal: (reason: string) => void;
}

async function start(around: Surroundings, undo: Undo, stopAll: () => Promise<void>): Promise<Core> {
  const { config, log } = around;
  const lock = lockDataDir(config.dataDir);
  undo.push(() => lock.release());
  const secretKey = loadSecretKey(config);
  let phase: 'starting' | 'ready' | 'stopping' = 'starting';

  const preparing = loadPrelude(join(config.dataDir, 'cache', 'prelude'));
  preparing.catch(() => undefined);
  const address = await openDatabase(around, undo);
  await migrate({ address, log });
  const db = createDb({ address, max: POOL_SIZE, log });
  undo.push(() => closeDb(db));
  const listening = createSql({ address, max: 1, log });
  undo.push(() => listening.end());

  const metrics = createMetrics();
  const meters = createMeters(metrics.registry);
  const hibernations = createHibernationMetrics(metrics.registry);
  const redactor = createRedactor();
  const limitsOf = (plugin: string): PluginLimits => limitsOfPlugin(lifecycle.get(plugin), config.pluginCeilings);
  const quotas = new Quotas({
    limitsOf,
    onExceeded: (plugin, limit, error, tell) => {
      meters.of(plugin).refused(limit);
      if (tell) logs.write(plugin, { level: 'warn', message: error.message });
    },
  });
  const logs = createPluginLogs({
    log,
    redactor,
    rate: {
      mayLog: (plugin, from) => quotas.of(plugin).mayLog(from),
      max: (plugin) => limitsOf(plugin).logLinesPerMinute,
    },
  });
  const vault = createVault({ db, key: secretKey });
  await vault.verify();
  const storage = createStore(db, (plugin) => ({ ...DEFAULT_STORAGE_QUOTA, bytes: limitsOf(plugin).storageBytes }));
  const budget = createBudget({
    quotas,
    limitsOf,
    callsOf: (plugin) => lifecycle.get(plugin)?.instance?.guest.calls ?? 0,
    storedBytes: async (plugin) => (await storage.usage(plugin)).bytes,
  });
  const permissions = new PermissionCatalog(CONTRACTS);
  const uses = new Uses({ db, log });
  uses.start();
  undo.push(() => uses.stop());
  const switches = new Switches({ db, contracts: CONTRACTS, onChange: onSwitch });
  await switches.open();
  const gate = createGate({ switches, uses });
  const bundler = createBundler({ cacheDir: join(config.dataDir, 'cache', 'bundles'), log });
  undo.push(() => bundler.stop());

  const residents = new Map<number, Inhabitant>();
  const registrations = new Registrations();
  const schedules = createSchedules({
    db,
    log,
    runner: restingJobs(
      waitingJobs(
        createJobRunner(() => lifecycle),
        quotas,
      ),
      switches,
    ),
  });
  undo.push(() => schedules.stop());
  const transfer = (plugin: string, out: number, received: number) => quotas.of(plugin).transfer(out + received);
  const grantUsed = ({ plugin }: Caller, grant: string) => uses.used(plugin, null, grant);
  const rooms = createRooms({
    budget: { budget },
    api: { registrations, checkSchema: (schema) => void compileSchema(schema) },
    config: { current: ({ plugin }) => lifecycle.get(plugin)?.row.config ?? {} },
    connect: { log, meter: transfer, ca: config.extraCa, used: grantUsed },
    events: { registrations, publish: publishNow },
    fetch: {
      log,
      meter: transfer,
      ca: config.extraCa,
      permit: (caller, needed) => gate.permit(fetchContract, caller, needed),
      used: grantUsed,
    },
    log: {
      write: (plugin, line) => logs.write(plugin, withAuthorsPlaces(line, residents.get(line.isolate)?.stacks)),
    },
    plugins: {
      registrations,
      ...restingMethods(
        createPluginCalls(() => lifecycle),
        switches,
      ),
    },
    scheduler: { registrations },
    secrets: { secrets: vault },
    storage: { store: storage },
  });
  const answerer = new Answerer(rooms, {
    log,
    gate,
    residentOf: (isolate) => residents.get(isolate),
    onCall: (plugin, room) => meters.of(plugin).hostCall(room),
    quotasOf: (plugin) => quotas.of(plugin),
    onDenied: createDenials({ db, log }),
  });
  const postMortems = createPostMortems({ db, redactor, log, trail: answerer.trail });
  const supervisor = new Supervisor({
    prelude: await preparing,
    log,
    guests: {
      onCall: (guest, call) => void answerer.onCall(guest, call),
      onCallAbort: (guest, id) => answerer.onCallAbort(guest, id),
      onDeadline: (guest, underWay) => lifecycle.onDeadline(guest, underWay),
      onGone: (guest: Guest, loss) => {
        answerer.onGone(guest);
        lifecycle.onGone(guest, loss);
        answerer.trail.drop(guest);
      },
      onStats: (guest) => {
        const resident = residents.get(guest.id);
        if (resident === undefined) return;
        meters.of(resident.plugin).resources(quotas.heard(resident.plugin, guest), guest.heapBytes);
        if (quotas.of(resident.plugin).isRunaway(guest.cpuMs)) {
          guest.end({ reason: 'cpu', error: null, verdict: 'culprit', detail: 'it went on beyond its CPU a minute' });
        }
      },
    },
    onRespawn: () => void lifecycle.onRespawn(),
  });
  undo.push(() => supervisor.stop());

  const lifecycle = new Lifecycle({
    db,
    log,
    loader: {
      log,
      supervisor,
      bundler,
      registrations,
      meters,
      quotas,
      ceilings: config.pluginCeilings,
      residents,
      logOf: (plugin) => writeLog(plugin),
      admit: (plugin) => assertMayRun(plugin, supervisor.report(), { allowUnconfined: config.allowUnconfined, log }),
      lodgingOf: (name, ownProcess) => {
        const plugin = lifecycle.get(name);
        if (plugin === undefined) throw new Error(`${name} is loaded but not in the list`);
        return lodgingOf(plugin, ownProcess, performance.now());
      },
    },
    vault,
    redactor,
    schedules,
    permissions,
    dispatcher: () => dispatcher,
    hibernation: {
      rules: {
        afterMs: config.hibernateAfterMs,
        maxIsolates: config.maxIsolates ?? defaultMaxIsolates(machineMemory()),
      },
      metrics: hibernations,
      callsOf: (guest) => answerer.underWay(guest),
    },
    dropData: (plugin, trx) => storage.dropPlugin(plugin, trx),
    postMortems,
    hasData: async (plugin) => (await storage.usage(plugin)).keys > 0,
    forget: (plugin) => {
      logs.drop(plugin);
      meters.drop(plugin);
      quotas.drop(plugin);
      hibernations.drop(plugin);
      switches.forget(plugin);
      uses.forget(plugin);
    },
  });
  const writeLog =
    (plugin: string) =>
    (level: 'debug' | 'info' | 'warn' | 'error' | 'fatal', message: string, fields?: Record<string, unknown>): void =>
      logs.write(plugin, { level, message, ...(fields === undefined ? {} : { fields }) });
  const dispatcher: Dispatcher = createDispatcher({
    db,
    log,
    sql: listening,
    sink: restingEvents(
      waitingEvents(
        createEventSink(() => lifecycle),
        quotas,
      ),
      switches,
    ),
    metrics: {
      delivered: (plugin) => meters.of(plugin).delivered(),
      failed: (plugin) => meters.of(plugin).deliveryFailed(),
    },
  });
  async function publishNow(event: { name: string; data: unknown; source: string }): Promise<string> {
    const id = await publish(db, event);
    dispatcher.poke();
    return id;
  }
  function onSwitch(plugin: string, capability: string, on: boolean): void {
    log.info({ plugin, capability, on }, 'an admin switched a capability of a plugin');
    if (!on) answerer.cut(plugin, capability, capabilityOff(capability, null));
    else if (capability === 'events') dispatcher.poke();
  }

  const auth = createAuth({ db, config, log, publish });
  const users = createUsers({ db, publish, changed: auth.forgetUser });
  const admin = await ensureFirstAdmin({ db, config, log, publish });
  const switchedOff = (plugin: string) => switches.list(plugin).map(({ capability }) => capability);
  const inspections = new Inspections({ db, log, lifecycle, enabled: config.inspector });
  const view = { vault, schedules, limitsOf, switchedOff };
  const app = createApp({
    config,
    log,
    metrics,
    auth,
    users,
    phase: () => phase,
    readiness: readinessChecks({ db, supervisor, lifecycle, allowUnconfined: config.allowUnconfined }),
    pluginPaths: () => pluginPaths(lifecycle),
    routes: [
      pluginRoutes({ ...view, db, auth, lifecycle, logs, meters, budget }),
      eventsRoutes({
        db,
        auth,
        resolvePluginName: async (id) => lifecycle.find(id).name,
        poke: () => dispatcher.poke(),
      }),
      permissionRoutes({ db, auth, lifecycle, permissions, switches, uses }),
      postMortemRoutes({ auth, postMortems, resolvePluginName: (id) => lifecycle.find(id).name }),
      inspectorRoutes({ auth, lifecycle, inspections }),
      schemaRoutes(permissions.patterns),
    ],
    rawRoutes: [installRoutes({ ...view, auth, lifecycle })],
  });

  await supervisor.start();
  const weakness = warning(supervisor.report(), config.allowUnconfined);
  if (weakness !== null) log.warn(weakness);
  const folders = new PluginFolders({
    lifecycle,
    log,
    builtinDir: resolve(import.meta.dir, '../plugins'),
    pluginDirs: config.pluginDirs,
  });
  await lifecycle.open(await folders.scan());
  undo.push(() => lifecycle.stop());
  await lifecycle.loadEnabled();
  await folders.installNew();
  folders.watch();
  undo.push(() => folders.stop());
  await dispatcher.start();
  undo.push(() => dispatcher.stop());
  const sweeper = setInterval(() => {
    sweepExpired(db).catch((error: unknown) => log.error({ err: error }, 'expired storage entries were not removed'));
  }, SWEEP_MS);
  undo.push(() => clearInterval(sweeper));
  if (config.pluginDirs.length > 0) void bundler.warm();

  const gateway = createGateway({ lifecycle, auth, log, metrics, switches, trustProxy: config.trustProxy });
  const inspector = createInspectorSocket({ auth, log, lifecycle, inspections });
  const server = serve(app, gateway, inspector, config);
  undo.push(() => server.stop());
  phase = 'ready';
  return {
    url: config.publicUrl ?? server.url,
    admin,
    stop: () => {
      phase = 'stopping';
      return stopAll();
    },
  };
}

async function openDatabase({ config, log, onFatal }: Surroundings, undo: Undo): Promise<DbAddress> {
  if (config.databaseUrl !== null) return { url: config.databaseUrl };
  const embedded = await startEmbedded({ dataDir: config.dataDir, log });
  let stopping = false;
  undo.push(() => {
    stopping = true;
    return embedded.stop();
  });
  void embedded.exited.then(() => {
    if (!stopping) onFatal('the database ended');
  });
  return embedded.address;
}
