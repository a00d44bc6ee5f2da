import { join, resolve } from 'node:path';
import { version } from '../package.json' with { type: 'json' };
import type { Caller } from '../sandbox-apis/_kit/contract.ts';
import { capabilityOff } from '../sandbox-apis/_kit/errors.ts';
import { fetchContract } from '../sandbox-apis/fetch/contract.ts';
import { DEFAULT_STORAGE_QUOTA } from '../sandbox-apis/storage/limits.ts';
import { createApp } from './app.ts';
import { ensureFirstAdmin } from './auth/first-admin.ts';
import { createAuth } from './auth/service.ts';
import { BackupTurn } from './backup/backups.ts';
import { assertRestored } from './backup/marker.ts';
import { Answerer } from './broker/answer.ts';
import { CONTRACTS, createRooms } from './broker/rooms.ts';
import type { Config } from './config.ts';
import { createDatabaseMetrics } from './databases/metrics.ts';
import { openDatabases } from './databases/open.ts';
import { closeDb, createDb } from './db/client.ts';
import { lockDataDir } from './db/data-lock.ts';
import { migrate } from './db/migrate.ts';
import { openDatabase } from './db/open-database.ts';
import { createSql } from './db/sql.ts';
import { publish } from './events/publish.ts';
import { filesPart } from './files/restore-part.ts';
import { startFiles } from './files/start-files.ts';
import type { Guest } from './host/guest.ts';
import type { PluginLimits } from './host/limits.ts';
import { assertMayRun, warning } from './host/policy.ts';
import { loadPrelude } from './host/prelude.ts';
import { RemoteAgent } from './host/remote-agent.ts';
import { Supervisor } from './host/supervisor.ts';
import { startHousekeeping } from './housekeeping.ts';
import { coreRoutes } from './http/core-routes.ts';
import { createFileLinks } from './http/files.ts';
import { createGateway } from './http/gateway.ts';
import { createInspectorSocket } from './http/inspector-socket.ts';
import { pluginPaths } from './http/plugin-paths.ts';
import { serve } from './http/serve.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createPlatformMetrics } from './metrics/platform.ts';
import { createUsageMetrics } from './metrics/usage.ts';
import { createBundler } from './packages/bundle.ts';
import { createDenials } from './permissions/denials.ts';
import { createGate } from './permissions/gate.ts';
import { PermissionCatalog } from './permissions/grants.ts';
import { restingMethods } from './permissions/resting.ts';
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
import { createEvents } from './plugins/plugin-events.ts';
import { createJobs } from './plugins/plugin-jobs.ts';
import { createPluginLogs } from './plugins/plugin-log.ts';
import { Registrations } from './plugins/registrations.ts';
import { createPluginCalls } from './plugins/sinks.ts';
import { secretsOf } from './plugins/staged.ts';
import { createPostMortems } from './post-mortems/post-mortems.ts';
import { createBudget } from './quotas/budget.ts';
import { Quotas } from './quotas/quotas.ts';
import { readinessChecks } from './readiness.ts';
import { replicasCheck } from './replicas/check.ts';
import { REPLICA_LIMITS } from './replicas/limits.ts';
import { startReplica } from './replicas/start-replica.ts';
import { storagePart } from './restore-points/parts.ts';
import { RestorePoints } from './restore-points/points.ts';
import { ownerOf } from './restore-points/spaces.ts';
import { createScheduleMetrics } from './schedules/metrics.ts';
import { compileSchema } from './schema/check.ts';
import { keySource } from './secrets/key-source.ts';
import { openKeys } from './secrets/open-keys.ts';
import { OWN_SECRETS, ownSecrets } from './secrets/own-secrets.ts';
import type { Redactor } from './secrets/redact.ts';
import { createRotation } from './secrets/rotation.ts';
import { createVault } from './secrets/vault.ts';
import { createStorageMetrics } from './storage/storage-metrics.ts';
import { createStore } from './storage/store.ts';
import { startTelemetry } from './telemetry/start.ts';
import { createUsers } from './users/service.ts';

export interface Core {
  readonly url: string;
  readonly admin: { readonly email: string; readonly password: string | null };
  /** Takes no new work, ends what is under way within bounds, and stops every child. */
  stop(): Promise<void>;
}

/** Database connections of the core; the embedded server allows 100. */
const POOL_SIZE = 20;

/**
 * Starts everything, in the order in which the parts need each other: data folder, database, isolate host, plugins,
 * HTTP. What was started is stopped again when a later part fails.
 *
 * @param onFatal a part that the core cannot live without has ended by itself
 */
export async function startCore(given: Given, onFatal: (reason: string) => void): Promise<Core> {
  const { log } = given;
  const undo: (() => Promise<void> | void)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) {
      await Promise.resolve(step()).catch((error: unknown) => log.error({ err: error }, 'a part did not stop cleanly'));
    }
  };
  try {
    return await start({ ...given, onFatal }, undo, stopAll);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

type Undo = (() => Promise<void> | void)[];

/** What a core is started with. */
export interface Given {
  readonly config: Config;
  readonly log: Log;
  /** Hears of each secret; `log` masks them with it. */
  readonly redactor: Redactor;
}

interface Surroundings extends Given {
  readonly onFatal: (reason: string) => void;
}

async function start(around: Surroundings, undo: Undo, stopAll: () => Promise<void>): Promise<Core> {
  const { config, log, redactor } = around;
  const lock = lockDataDir(config.dataDir);
  undo.push(() => lock.release());
  assertRestored(config.dataDir);
  const source = keySource(config);
  redactor.set(OWN_SECRETS, ownSecrets(config, source));
  let phase: 'starting' | 'ready' | 'stopping' = 'starting';

  const preparing = loadPrelude(join(config.dataDir, 'cache', 'prelude'));
  preparing.catch(() => undefined);
  const address = await openDatabase(around, undo);
  await migrate({ address, log });
  const db = createDb({ address, max: POOL_SIZE, log });
  undo.push(() => closeDb(db));
  const listening = createSql({ address, max: 1, log });
  undo.push(() => listening.end());
  const here = await startReplica({ db, log, sql: listening, config, source, databases: () => databases });
  const { replica } = here;
  undo.push(() => replica.stop());

  const telemetry = config.tracing === null ? null : await startTelemetry(config.tracing, redactor, log);
  if (telemetry !== null) undo.push(() => telemetry.stop());
  const metrics = createMetrics();
  // Before those that ask the database for a scrape: it tells who waits for a connection without them.
  createPlatformMetrics(metrics.registry, {
    ...{ version, db },
    plugins: () => lifecycle.list(),
    report: () => supervisor.report(),
  });
  const meters = createMeters(metrics.registry);
  const storageMetrics = createStorageMetrics(metrics.registry, db, log);
  const hibernations = createHibernationMetrics(metrics.registry);
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
  const keys = await openKeys({ db, log, source });
  const rotation = createRotation({ db, log, ring: keys, source });
  const vault = createVault({ db, keys });
  const storage = createStore(db, (plugin) => ({
    ...DEFAULT_STORAGE_QUOTA,
    bytes: limitsOf(ownerOf(plugin)).storageBytes,
  }));
  const budget = createBudget({
    quotas,
    limitsOf,
    callsOf: (plugin) => lifecycle.get(plugin)?.instance?.guest.calls ?? 0,
    storedBytes: async (plugin) => (await storage.usage(plugin)).bytes,
    databaseBytes: (plugin) => databases.bytesOf(plugin),
    filesUsage: (plugin) => filesRoom.files.usage(plugin),
  });
  const permissions = new PermissionCatalog(CONTRACTS);
  const uses = new Uses({ db, log });
  uses.start();
  undo.push(() => uses.stop());
  const switches = new Switches({ db, contracts: CONTRACTS, onChange: onSwitch });
  await switches.open();
  const filesRoom = startFiles({
    ...{ db, log, keys, switches },
    folder: here.filesFolder,
    backend: config.filesBackend,
    publicUrl: config.publicUrl,
    lifecycle: () => lifecycle,
    quotaOf: (plugin) => ({ bytes: limitsOf(ownerOf(plugin)).filesBytes, files: limitsOf(ownerOf(plugin)).filesCount }),
  });
  const gate = createGate({
    switches,
    uses: {
      used: (plugin, capability, grant) => uses.used(plugin, capability, grant),
      // What a plugin asks for in vain may hold a secret: a host, a name.
      refused: (plugin, capability, permission) =>
        uses.refused(plugin, capability, permission === null ? null : redactor.redact(permission, plugin)),
    },
  });
  const bundler = createBundler({ cacheDir: join(config.dataDir, 'cache', 'bundles'), log });
  undo.push(() => bundler.stop());

  const residents = new Map<number, Inhabitant>();
  const databases = await openDatabases({
    ...{ db, address, log, keys },
    isEmbedded: config.databaseUrl === null,
    quotaOf: (plugin) => limitsOf(plugin).databaseBytes,
    databaseOf: (isolate) => residents.get(isolate)?.database ?? null,
    onRefused: (plugin, limit) => meters.of(plugin).refused(limit),
    pauseOthers: (plugin) => here.pauses.begin(plugin),
  });
  undo.push(() => databases.stop());
  createDatabaseMetrics(metrics.registry, databases);
  const points = new RestorePoints({ db, log, databases, keys, parts: [storagePart, filesPart], owner: replica.id });
  const registrations = new Registrations();
  const jobMetrics = createScheduleMetrics(metrics.registry);
  const schedules = createJobs({
    ...{ db, log, logs, quotas, switches, telemetry },
    owner: replica.id,
    metrics: jobMetrics,
    lifecycle: () => lifecycle,
  });
  undo.push(() => schedules.stop());
  const transfer = (plugin: string, out: number, received: number) => quotas.of(plugin).transfer(out + received);
  const grantUsed = ({ plugin }: Caller, grant: string) => uses.used(plugin, null, grant);
  const stagedOf = (isolate: number) => residents.get(isolate)?.staged ?? null;
  const rooms = createRooms({
    budget: { budget },
    api: { registrations, checkSchema: (schema) => void compileSchema(schema) },
    config: { current: ({ plugin }) => lifecycle.get(plugin)?.row.config ?? {} },
    connect: { log, meter: transfer, ca: config.extraCa, used: grantUsed },
    database: { databases },
    events: { registrations, publish: (event) => emitter.emit(event) },
    fetch: {
      log,
      meter: transfer,
      ca: config.extraCa,
      permit: (caller, needed) => gate.permit(fetchContract, caller, needed),
      used: grantUsed,
      ...(telemetry === null ? {} : { trace: telemetry.fetch }),
    },
    files: { files: filesRoom.files, signUrl: filesRoom.signUrl },
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
    secrets: { secrets: secretsOf(vault, stagedOf) },
    services: { registrations },
    storage: { store: storage },
    stagedOf,
  });
  const answerer = new Answerer(rooms, {
    log,
    gate,
    residentOf: (isolate) => residents.get(isolate),
    onCall: (plugin, room) => meters.of(plugin).hostCall(room),
    onCallEnd: (plugin, room, ms, code) => meters.of(plugin).hostCallEnded(room, ms, code !== null),
    traces: telemetry !== null,
    quotasOf: (plugin) => quotas.of(plugin),
    onDenied: createDenials({ db, log, redactor }),
  });
  const postMortems = createPostMortems({ db, redactor, log, trail: answerer.trail });
  const supervisor = new Supervisor({
    prelude: await preparing,
    log,
    agent: config.isolateHost === null ? null : new RemoteAgent(config.isolateHost),
    guests: {
      onCall: (guest, call) => void answerer.onCall(guest, call),
      onCallAbort: (guest, id) => answerer.onCallAbort(guest, id),
      onDeadline: (guest, underWay) => lifecycle.onDeadline(guest, underWay),
      onGone: (guest: Guest, loss) => {
        answerer.onGone(guest);
        databases.onGone(guest.id);
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

  const hasData = async (plugin: string): Promise<boolean> =>
    databases.currentOf(plugin) !== null ||
    (await storage.usage(plugin)).keys > 0 ||
    (await filesRoom.files.usage(plugin)).files > 0 ||
    (await points.has(plugin));
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
      mask: (plugin, text) => redactor.redact(text, plugin),
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
    replica,
    folderOf: async (plugin) => (await folders.scan()).get(plugin) ?? null,
    hibernation: {
      rules: {
        afterMs: config.hibernateAfterMs,
        maxIsolates: config.maxIsolates ?? defaultMaxIsolates(machineMemory()),
      },
      metrics: hibernations,
      callsOf: (guest) => answerer.underWay(guest),
    },
    databases,
    points,
    dropData: async (plugin, trx) => {
      await storage.dropPlugin(plugin, trx);
      await filesRoom.files.dropPlugin(plugin, trx);
    },
    postMortems,
    hasData,
    forget: (plugin) => {
      logs.drop(plugin);
      meters.drop(plugin);
      quotas.drop(plugin);
      hibernations.drop(plugin);
      jobMetrics.drop(plugin);
      switches.forget(plugin);
      uses.forget(plugin);
      filesRoom.sweepSoon(plugin);
    },
  });
  const writeLog =
    (plugin: string) =>
    (level: 'debug' | 'info' | 'warn' | 'error' | 'fatal', message: string, fields?: Record<string, unknown>): void =>
      logs.write(plugin, { level, message, ...(fields === undefined ? {} : { fields }) });
  const { dispatcher, emitter, deliveryJobs } = createEvents({
    ...{ db, log, quotas, switches, meters, telemetry },
    sql: listening,
    owner: replica.id,
    registry: metrics.registry,
    lifecycle: () => lifecycle,
  });
  function onSwitch(plugin: string, capability: string, on: boolean): void {
    log.info({ plugin, capability, on }, 'an admin switched a capability of a plugin');
    if (!on) answerer.cut(plugin, capability, capabilityOff(capability, null));
    else if (capability === 'events') dispatcher.poke();
  }

  createUsageMetrics(metrics.registry, {
    ...{ db, log },
    plugins: () => lifecycle.list().map(({ name }) => name),
    databaseBytes: (plugin) => databases.bytesOf(plugin),
  });

  const auth = createAuth({
    ...{ db, config, log, publish },
    ...(replica.isShared ? { rememberMs: REPLICA_LIMITS.principalMs } : {}),
  });
  const users = createUsers({ db, publish, changed: auth.forgetUser });
  const admin = await ensureFirstAdmin({ db, config, log, publish });
  const switchedOff = (plugin: string) => switches.list(plugin).map(({ capability }) => capability);
  const inspections = new Inspections({ db, log, lifecycle, enabled: config.inspector });
  const view = { vault, schedules, limitsOf, switchedOff };
  const ready = readinessChecks({ db, supervisor, lifecycle, allowUnconfined: config.allowUnconfined });
  const app = createApp({
    config,
    log,
    metrics,
    auth,
    users,
    phase: () => phase,
    readiness: async () => [...(await ready()), await replicasCheck(replica)],
    pluginPaths: () => pluginPaths(lifecycle),
    ...coreRoutes({
      ...{ db, auth, lifecycle, permissions, view, points, postMortems, inspections, rotation, replica },
      plugins: { logs, meters, budget, storage, replica },
      storage: { store: storage },
      files: { files: filesRoom.files },
      events: { poke: () => dispatcher.poke() },
      deliveryJobs: { jobs: deliveryJobs },
      jobs: { schedules },
      permissionUse: { switches, uses },
      backup: {
        ...{ address, log, databases, points, keys, vault, hasData },
        backends: filesRoom.backends,
        turn: new BackupTurn(),
      },
    }),
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
  await points.sweep();
  await databases.sweep();
  await lifecycle.open(await folders.scan());
  undo.push(() => lifecycle.stop());
  await here.follow({ plugins: lifecycle.following, switches, auth, rotation });
  undo.push(() => here.unfollow());
  await lifecycle.loadEnabled();
  await folders.installNew();
  folders.watch();
  undo.push(() => folders.stop());
  await dispatcher.start();
  undo.push(() => dispatcher.stop());
  deliveryJobs.start();
  undo.push(() => deliveryJobs.stop());
  undo.push(
    startHousekeeping({
      ...{ db, log, rotation },
      metrics: storageMetrics,
      leases: here.leases,
      startFileSweep: () => filesRoom.startSweep(),
      pruneRestorePoints: () => lifecycle.rollbacks.prune(),
    }),
  );
  if (config.pluginDirs.length > 0) void bundler.warm();

  const gateway = createGateway({
    ...{ lifecycle, auth, log, metrics, switches },
    trustProxy: config.trustProxy,
    traces: telemetry !== null,
  });
  const inspector = createInspectorSocket({ auth, log, lifecycle, inspections });
  const links = createFileLinks({ ...filesRoom, lifecycle, switches, log, metrics });
  const server = serve(app, gateway, links, inspector, config, telemetry?.request ?? null);
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
