import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { install } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { startServer } from './server.ts';
import { assemble, type TestCase } from './suite.ts';

/** What came of one subtest, in the harness's numbers (STATUS). */
export interface Subtest {
  readonly name: string;
  readonly status: number;
  readonly message: string;
}

/** What came of one run. */
export interface CaseResult {
  readonly test: TestCase;
  readonly subtests: readonly Subtest[];
  /** Of the harness itself; `null` when all went well. */
  readonly harness: { readonly kind: 'error' | 'timeout'; readonly message: string } | null;
}

export const STATUS = { pass: 0, timeout: 2, notRun: 3 } as const;
const HARNESS_STATUS = { ok: 0, timeout: 2 } as const;

interface Answer {
  readonly results: readonly (readonly [name: string, status: number, message: string])[];
  /** Of the harness; null when it never said that it is done. */
  readonly end: readonly [status: number, message: string] | null;
}

/** Milliseconds beyond a run's own deadline until its isolate is given up. */
const GRACE_MS = 15_000;
/** The suite computes for long in one piece; an operator raises the ceilings for such a plugin too. */
const CEILINGS = { cpuMsPerCall: 60_000, cpuMsPerMinute: 600_000, memoryMb: 512 };
/** The suite is nobody's attack, and is to run on machines too where a host process cannot be confined. */
const UNCONFINED = { STREAMSPACE_ALLOW_UNCONFINED: 'yes' };

export interface Runner extends AsyncDisposable {
  /** Runs all, several at a time, each in an isolate of its own; told of each when it is done. */
  run(cases: readonly TestCase[], onResult: (result: CaseResult) => void): Promise<void>;
}

/**
 * Starts the product, installs the plugin that runs the suite as often as runs go on at a time, and serves the checkout
 * to it: the isolates, their prelude, `fetch` and its permission are those of every plugin.
 */
export async function startRunner(root: string, jobs: number): Promise<Runner> {
  const server = startServer(root);
  const core = await startCore({
    env: { STREAMSPACE_PLUGIN_CEILINGS: JSON.stringify(CEILINGS), HIBERNATE_AFTER_MS: '0', ...UNCONFINED },
  });
  const stop = async (): Promise<void> => {
    await core.stop();
    await server[Symbol.asyncDispose]();
  };
  const plugins = Array.from({ length: jobs }, (_, index) => `wpt-${index + 1}`);
  try {
    for (const name of plugins) await installPlugin(core, name, server.port);
  } catch (error) {
    await stop();
    throw error;
  }

  async function runOne(plugin: string, test: TestCase): Promise<CaseResult> {
    const failed = (message: string): CaseResult => ({ test, subtests: [], harness: { kind: 'error', message } });
    const href = `${server.origin}/${test.path.replace(/\.js$/, '.html')}${test.variant}`;
    let body: string;
    try {
      const program = assemble(root, test.path, server.substitute);
      body = JSON.stringify({ href, deadlineMs: test.timeoutMs, ...program });
    } catch (error) {
      return failed((error as Error).message);
    }
    await renew(core, plugin);
    const response = await fetch(`${core.url}/api/plugins/${plugin}/run`, {
      method: 'POST',
      body,
      signal: AbortSignal.timeout(test.timeoutMs + GRACE_MS),
    }).catch((error: Error) => error);
    if (response instanceof Error)
      return { ...failed(response.message), harness: { kind: 'timeout', message: response.message } };
    if (!response.ok) return failed(`${response.status}: ${(await response.text()).slice(0, 500)}`);
    return { test, ...read((await response.json()) as Answer) };
  }

  return {
    async run(cases, onResult) {
      const waiting = [...cases];
      const work = async (plugin: string): Promise<void> => {
        for (let test = waiting.shift(); test !== undefined; test = waiting.shift())
          onResult(await runOne(plugin, test));
      };
      await Promise.all(plugins.map(work));
    },
    [Symbol.asyncDispose]: stop,
  };
}

function read({ results, end }: Answer): Pick<CaseResult, 'subtests' | 'harness'> {
  const subtests = results.map(([name, status, message]) => ({ name, status, message }));
  if (end === null) return { subtests, harness: { kind: 'timeout', message: 'the run never ends' } };
  const [status, message] = end;
  if (status === HARNESS_STATUS.ok) return { subtests, harness: null };
  return { subtests, harness: { kind: status === HARNESS_STATUS.timeout ? 'timeout' : 'error', message } };
}

async function installPlugin(core: RunningCore, name: string, port: number): Promise<void> {
  const folder = join(import.meta.dir, 'plugin');
  const files: Record<string, string> = {};
  for (const file of await readdir(folder)) files[file] = await readFile(join(folder, file), 'utf8');
  const { 'manifest.json': facts = '', ...source } = files;
  const manifest = { ...JSON.parse(facts), name, permissions: [`network:127.0.0.1:${port}`] };
  await install(core, { manifest, ...source });
}

/** A fresh isolate, whatever has become of the one before. */
async function renew(core: RunningCore, name: string): Promise<void> {
  const reloaded = await core.api('POST', `/api/plugins/${name}/reload`);
  if (reloaded.status === 200) return;
  await core.api('POST', `/api/plugins/${name}/enable`);
  const again = await core.api('POST', `/api/plugins/${name}/reload`);
  if (again.status !== 200) throw new Error(`${name} does not come back: ${JSON.stringify(again.body)}`);
}
