import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { Layer } from '../../src/host/confinement.ts';
import { layersHere, type Machine, machineWith } from '../kit/confined-core.ts';
import { install } from '../kit/plugin.ts';
import { alive, descendantsOf, isolateHostsOf } from '../kit/processes.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// Case 30 of ADVERSARY: the core is killed, and nothing that it started stays; also not a host that is too busy to see
// that its channel has ended.

setDefaultTimeout(60_000);

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** What a plugin is at when the core dies, and the route that makes it so. */
const BUSY = [
  ['nothing', null],
  ['a loop', '/loop'],
  ['a builtin that nothing interrupts', '/hang'],
] as const;
const PLUGIN = {
  manifest: { name: 'stubborn', limits: { cpuMsPerCall: 10_000 } },
  'index.ts': `
    export default {
      onLoad({ api }) {
        api.get('/loop', () => { for (;;); }, { auth: 'public' });
        api.get('/hang', () => [].indexOf.call({ length: 2 ** 53 - 1 }, 1), { auth: 'public' });
      },
    };`,
};

/** Clock ticks (10 ms) that a process has used. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

async function leavesNothing(core: RunningCore, layer: Layer, route: string | null): Promise<void> {
  expect(String((await readiness(core)).detail)).toContain(`layer ${layer},`);
  await install(core, PLUGIN);
  const hosts = isolateHostsOf(core.pid);
  expect(hosts.length).toBeGreaterThan(0);
  if (route !== null) {
    const before = hosts.map(cpuTicks);
    // Its answer never comes.
    core.api('GET', `/api/plugins/stubborn${route}`, { token: null }).catch(() => undefined);
    await until(() => hosts.some((pid, at) => cpuTicks(pid) - (before[at] ?? 0) >= 10), 'the plugin runs');
  }
  const family = descendantsOf(core.pid);
  expect(family.map(({ pid }) => pid)).toEqual(expect.arrayContaining(hosts));
  await core.kill();
  await until(() => alive(family).length === 0, 'all processes are gone', 5_000);
}

async function readiness(core: RunningCore): Promise<{ detail: string }> {
  const { body } = await core.api('GET', '/readyz?verbose');
  return body.checks.find(({ name }: { name: string }) => name === 'isolate-host');
}

describe.each(layersHere())('in the layer %s', (layer) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await machineWith(layer);
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  test.each(BUSY)('30: the core is killed while a plugin is at %s: no process stays', async (_what, route) => {
    await using core = await startCore({ env: { PATH: machine.path } });
    await leavesNothing(core, layer, route);
  });

  test.skipIf(!isRoot)('30: the same for a core without privileges (it takes root to start one)', async () => {
    const user = { uid: NOBODY, bun: machine.bun };
    await using core = await startCore({ env: { PATH: machine.path }, user, database: 'embedded' });
    await leavesNothing(core, layer, '/hang');
  });
});
