import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { privateFile } from '../../src/host/path-access.ts';
import { type Architecture, filterArchitecture, seccompProgram } from '../../src/host/seccomp.ts';
import { LOCK_CALLS } from '../../src/host/syscalls.ts';
import { layersHere, type Machine, machineWith } from '../kit/confined-core.ts';
import { tempFolder, tryInstall, writePlugin } from '../kit/plugin.ts';
import { type RunningCore, type StartOptions, startCore } from '../kit/start-core.ts';

// A stranger's plugin runs where the isolate host is confined, and nowhere else.

setDefaultTimeout(60_000);

const here = layersHere();
const code = `export default { onLoad({ api }) { api.get('/hello', () => 'hello', { auth: 'public' }); } };`;
const STRANGER = { manifest: { name: 'stranger' }, 'index.ts': code };

async function confinement(core: RunningCore): Promise<{ ok: boolean; detail: string }> {
  const { body } = await core.api('GET', '/readyz?verbose');
  return body.checks.find(({ name }: { name: string }) => name === 'isolate-host');
}

let machine: Machine;
beforeAll(async () => {
  machine = await machineWith('permission');
});
afterAll(() => machine?.[Symbol.asyncDispose]());

test.skipIf(process.platform !== 'linux')(
  'without any tool the core locks its hosts in by itself, and takes an upload',
  async () => {
    await using core = await startCore({ env: { PATH: machine.path } });
    expect((await confinement(core)).detail).toContain('layer permission, seccomp on, reaches nothing');
    expect((await tryInstall(core, STRANGER)).status).toBe(201);
  },
);

/** A machine whose kernel knows neither seccomp filters nor Landlock, as some containers do; made by bubblewrap. */
describe.skipIf(!here.includes('bubblewrap'))("where nothing but Node's permission model is there", () => {
  async function startWeak(options: StartOptions): Promise<RunningCore> {
    const { seccomp, landlock_create_ruleset } = LOCK_CALLS;
    const program = seccompProgram(filterArchitecture() as Architecture, {
      refused: [['ENOSYS', { seccomp, landlock_create_ruleset }]],
      inspected: [],
      closed: false,
    });
    const filter = privateFile(tmpdir(), program);
    try {
      return await startCore({
        ...options,
        env: { PATH: machine.path, ...options.env },
        through: {
          command: [Bun.which('bwrap') ?? 'bwrap', '--dev-bind', '/', '/', '--die-with-parent', '--seccomp', '4', '--'],
          descriptors: [filter.descriptor],
        },
      });
    } finally {
      filter.close();
    }
  }

  test('an upload is refused, and says why; the plugins of a watched folder run', async () => {
    await using folder = await tempFolder();
    await writePlugin(join(folder.path, 'own'), { manifest: { name: 'own-plugin' }, 'index.ts': code });
    await using core = await startWeak({ pluginDirs: [folder.path] });
    const { status, body } = await tryInstall(core, STRANGER);
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'confinement_required' });
    expect(body.weaknesses).toContain("only Node's own permission model confines it");
    expect(body.detail).toContain('streamspace doctor');
    expect((await core.api('GET', '/api/plugins/stranger')).status).toBe(404);
    expect((await core.api('GET', '/api/plugins/own-plugin/hello', { token: null })).body).toBe('hello');

    const { ok, detail } = await confinement(core);
    expect(ok).toBe(true);
    expect(detail).toContain('no seccomp');
    expect(detail).toContain('uploaded plugins are refused');
    expect(detail).toContain('better: bwrap is not there');
  });

  test('an upload runs when the operator says so, and the warning stays', async () => {
    await using core = await startWeak({ env: { STREAMSPACE_ALLOW_UNCONFINED: '1' } });
    const atStart = core.lines.filter(({ level, msg }) => level === 'warn' && /ALLOW_UNCONFINED/.test(String(msg)));
    expect(atStart).toHaveLength(1);
    expect((await tryInstall(core, STRANGER)).status).toBe(201);
    await core.line(({ msg, plugin }) => plugin === 'stranger' && /weak confinement/.test(String(msg)), 'the warning');
    expect((await core.api('GET', '/api/plugins/stranger/hello', { token: null })).body).toBe('hello');

    const { ok, detail } = await confinement(core);
    expect(ok).toBe(true);
    expect(detail).toStartWith('WARNING: STREAMSPACE_ALLOW_UNCONFINED');
  });
});
