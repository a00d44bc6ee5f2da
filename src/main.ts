import { RestoreUnfinished } from './backup/marker.ts';
import { ConfigError, loadConfig } from './config.ts';
import { startCore } from './core.ts';
import { DataLockError } from './db/data-lock.ts';
import { createLog } from './log.ts';
import { ReplicaRefused } from './replicas/refused.ts';
import { createRedactor } from './secrets/redact.ts';

/** A stop that takes longer (ms) is cut short: SPEC 12.2 allows 10 s in all. */
const STOP_MS = 9_500;

// Bun's fetch honours them; no request of a plugin may take a way of the environment's choosing (ADVERSARY 52).
for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'ALL_PROXY', 'all_proxy']) {
  delete process.env[name];
}

const config = readConfig();
const redactor = createRedactor();
const log = createLog(config.logLevel, undefined, redactor.redactJson);
const started = performance.now();
let core: Awaited<ReturnType<typeof startCore>> | null = null;
let stopping = false;

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
process.on('unhandledRejection', (error) =>
  log.error({ err: error }, 'a promise was rejected and nobody waited for it'),
);

try {
  core = await startCore({ config, log, redactor }, (reason) => {
    // Whoever started us starts us again: nothing that was answered is lost.
    log.fatal({ reason }, 'cannot go on');
    process.exitCode = 1;
    void stop(reason);
  });
} catch (error) {
  if (error instanceof DataLockError || error instanceof RestoreUnfinished || error instanceof ReplicaRefused)
    fail(error.message);
  log.fatal({ err: error }, 'could not start');
  process.exit(1);
}
log.info(
  { event: 'ready', url: core.url, ms: Math.round(performance.now() - started) },
  `StreamSpace is ready at ${core.url}`,
);
if (core.admin.password !== null && config.adminPassword === null) {
  // To the terminal and not into the log: it is shown this once.
  process.stderr.write(
    `\n  Sign in at ${core.url} as ${core.admin.email}\n  One-time password: ${core.admin.password}\n\n`,
  );
}

async function stop(signal: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  log.info({ signal }, 'stopping');
  setTimeout(() => {
    log.error('the stop took too long and was cut short');
    process.exit(1);
  }, STOP_MS).unref();
  await core?.stop();
  log.info({ event: 'stopped' }, 'stopped');
  process.exit(process.exitCode ?? 0);
}

function readConfig() {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (error instanceof ConfigError) fail(error.message);
    throw error;
  }
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
