import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { checkConfinement } from '../../src/cli/checks/confinement.ts';
import type { Guest, GuestEvents, Loss } from '../../src/host/guest.ts';
import { type HostOptions, IsolateHost } from '../../src/host/isolate-host.ts';
import { loadPrelude } from '../../src/host/prelude.ts';
import { RemoteAgent } from '../../src/host/remote-agent.ts';
import { createLog } from '../../src/log.ts';
import { type RunningAgent, startAgent } from '../kit/agent.ts';
import { machineWith } from '../kit/confined-core.ts';
import { install, tempFolder } from '../kit/plugin.ts';
import { alive, descendantsOf } from '../kit/processes.ts';
import { startCore } from '../kit/start-core.ts';
import { until, within } from '../kit/until.ts';

// Isolate hosts in another container: a real agent, and the core over its socket.

setDefaultTimeout(60_000);

const HEAD = {
  plugin: 'tester',
  version: '1.0.0',
  memoryMb: 32,
  cpuMs: 500,
  loadMs: 5_000,
  timers: 100,
  onPool: false,
  config: {},
};
const BUNDLE = 'module.exports = { onLoad() { return 1; } };';
const nothing = (): void => undefined;
const EVENTS: GuestEvents = {
  onCall: nothing,
  onCallAbort: nothing,
  onDeadline: nothing,
  onGone: nothing,
  onStats: nothing,
};

let prelude: string;
let agent: RunningAgent;
beforeAll(async () => {
  await using cache = await tempFolder();
  [prelude, agent] = await Promise.all([loadPrelude(cache.path), startAgent()]);
});
afterAll(() => agent?.[Symbol.asyncDispose]());

/** A host of an agent, with what became of it. */
async function start(from: RunningAgent = agent, over: Partial<HostOptions> = {}) {
  const exited = Promise.withResolvers<{ reason: string; blamed: boolean }>();
  const host = await IsolateHost.start({
    files: new RemoteAgent(from.socket),
    layer: 'permission',
    prelude,
    log: createLog('silent'),
    guests: EVENTS,
    onExit: (reason, blamed) => exited.resolve({ reason, blamed }),
    ...over,
  });
  return { host, exit: within(exited.promise, 'the host is gone') };
}

/** Writes lines to the agent; answers what it said until it ended the connection. */
function say(...lines: readonly string[]): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let heard = '';
  const socket = connect(agent.socket, () => void socket.write(lines.join('')));
  socket.on('data', (piece) => (heard += piece)).on('error', nothing);
  socket.on('close', () => resolve(heard));
  return within(promise, 'the agent ends the connection');
}

describe('a host behind an agent', () => {
  test('is confined as the agent says, and reaches nothing', async () => {
    const report = await new RemoteAgent(agent.socket).describe(0);
    expect(report).toMatchObject({ layer: 'permission', available: true, seccomp: true, files: true });
    expect(report.detail).toStartWith('in another container: ');
    const { host, exit } = await start();
    expect(Object.entries(host.ready.reach).filter(([, reached]) => reached)).toEqual([]);
    host.kill('the test is over');
    expect(await exit).toEqual({ reason: 'the test is over', blamed: false });
  });

  test('runs a plugin, tells of its memory, and leaves no file behind', async () => {
    const { host, exit } = await start();
    await host.load(1, HEAD, BUNDLE);
    await until(() => {
      host.tick(performance.now());
      return host.rss > 30_000_000;
    }, 'the agent tells of its memory');
    expect(readdirSync(dirname(agent.socket))).toEqual(['agent.sock']);
    const family = descendantsOf(agent.pid).filter(({ pid }) => pid === host.pid);
    expect(family).toHaveLength(1);
    host.kill('the test is over');
    await exit;
    await until(() => alive(family).length === 0, 'its process is gone');
  });

  test('is one of several, each with its own plugins and its own end', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    expect(one.host.pid).not.toBe(two.host.pid);
    const [, steady] = await Promise.all([one.host.load(1, HEAD, BUNDLE), two.host.load(2, HEAD, BUNDLE)]);
    one.host.kill('the test is over');
    await one.exit;
    expect(steady.gone).toBe(false);
    expect((await two.host.load(3, HEAD, BUNDLE)).gone).toBe(false);
    two.host.kill('the test is over');
    await two.exit;
  });

  test('that is killed from outside has nobody to blame', async () => {
    const gone: Loss[] = [];
    const { host, exit } = await start(agent, {
      guests: { ...EVENTS, onGone: (_: Guest, loss: Loss) => void gone.push(loss) },
    });
    await host.load(1, HEAD, BUNDLE);
    process.kill(host.pid, 'SIGKILL');
    expect(await exit).toEqual({ reason: 'it was ended from outside (signal 9)', blamed: false });
    expect(gone).toMatchObject([{ reason: 'host', verdict: 'bystander' }]);
  });

  test('that a plugin brings down is told with its exit, and the plugin is blamed by the black box', async () => {
    const { host, exit } = await start();
    const load = host.load(1, HEAD, '"x".repeat(2 ** 28).split("");').catch((error: unknown) => error);
    const { reason } = await exit;
    expect(reason).toMatch(/^ended \(exit code 1\d\d\)$/);
    expect(String(await load)).toContain('it brought its process down');
  });

  test('that hangs in a builtin is killed at once, and its plugin blamed', async () => {
    const { host, exit } = await start();
    const bundle = '[].indexOf.call({ length: 2 ** 53 - 1 }, 1);';
    const load = host.load(1, { ...HEAD, loadMs: 200 }, bundle).catch((error: unknown) => error);
    const family = descendantsOf(agent.pid).filter(({ pid }) => pid === host.pid);
    const ticking = setInterval(() => {
      host.ping();
      host.tick(performance.now());
    }, 50);
    expect(await exit).toEqual({ reason: 'an isolate cannot be stopped', blamed: true });
    clearInterval(ticking);
    expect(String(await load)).toContain('it brought its process down');
    await until(() => alive(family).length === 0, 'its process is gone', 1_000);
  });
});

describe('the agent', () => {
  test('lets nobody in but its own account and group', () => {
    expect(statSync(dirname(agent.socket)).mode & 0o7777).toBe(0o2770);
    expect(statSync(agent.socket).mode & 0o777).toBe(0o660);
  });

  test.skipIf(process.getuid?.() !== 0)('does not listen in a folder of another account', async () => {
    await using folder = await tempFolder();
    const home = join(folder.path, 'host');
    mkdirSync(home);
    chownSync(home, 1, 1);
    await expect(startAgent({ at: join(home, 'agent.sock') })).rejects.toThrow('the log ended');
  });

  test.skipIf(process.getuid?.() !== 0)('and a core share a group and nothing else, as in a pod', async () => {
    const [group, agents, cores, others] = [10_000, 10_002, 10_001, 10_003];
    await using folder = await tempFolder();
    // What a kubelet makes of an emptyDir with fsGroup.
    chownSync(folder.path, 0, group);
    chmodSync(folder.path, 0o2777);
    const at = join(folder.path, 'host', 'agent.sock');
    await using own = await startAgent({ at, account: { uid: agents, gid: group } });
    const script = `
      import { RemoteAgent } from '${join(import.meta.dir, '../../src/host/remote-agent.ts')}';
      import { IsolateHost } from '${join(import.meta.dir, '../../src/host/isolate-host.ts')}';
      const nothing = () => {};
      const guests = { onCall: nothing, onCallAbort: nothing, onDeadline: nothing, onGone: nothing, onStats: nothing };
      const files = new RemoteAgent('${own.socket}');
      const prelude = await Bun.file(process.argv.at(-1)).text();
      const host = await IsolateHost.start({ files, layer: 'permission', prelude, log: { warn: nothing }, guests, onExit: nothing });
      console.log(JSON.stringify(host.ready.reach));
      process.exit(0);`;
    const dial = async (uid: number, gid: number): Promise<string> => {
      await using machine = await machineWith('permission');
      const file = join(folder.path, `dial-${uid}.ts`);
      const preludeFile = join(folder.path, `prelude-${uid}`);
      writeFileSync(file, script);
      writeFileSync(preludeFile, prelude);
      const child = Bun.spawn([machine.bun, file, preludeFile], { uid, gid, env: {}, stdout: 'pipe', stderr: 'pipe' });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      return out === '' ? err : out;
    };
    expect(Object.values(JSON.parse(await dial(cores, group)))).not.toContain(true);
    expect(await dial(others, others)).toContain('EACCES');
  });

  test.each([
    ['no JSON', 'GET / HTTP/1.1\n'],
    ['an unknown word', '{"shutdown":true}\n'],
    ['two words', '{"hello":true,"start":"00000000000000000000000000000000"}\n'],
    ['a path in place of a name', '{"start":"../../etc/passwd"}\n'],
    ['a kill of nothing', '{"kill":true}\n'],
    ['a line without end', 'x'.repeat(1_000)],
    ['a token that was not given', `{"attach":"${'0'.repeat(32)}"}\n`],
  ])('ends a connection that says %s', async (_what, line) => {
    expect(await say(line)).toBe('');
  });

  test('takes no black box but a small file that is there', async () => {
    const name = 'a'.repeat(32);
    const path = join(dirname(agent.socket), `${name}.box`);
    expect(await say(`{"start":"${name}"}\n`)).toContain('"is":"failed"');
    symlinkSync('/etc/passwd', path);
    expect(await say(`{"start":"${name}"}\n`)).toContain('"is":"failed"');
    const other = 'b'.repeat(32);
    writeFileSync(join(dirname(agent.socket), `${other}.box`), 'x'.repeat(65));
    expect(await say(`{"start":"${other}"}\n`)).toContain('no file of 64 bytes');
  });

  test('attaches one channel a token, and none that talks before it is asked', async () => {
    const name = 'c'.repeat(32);
    writeFileSync(join(dirname(agent.socket), `${name}.box`), new Uint8Array(64));
    const before = descendantsOf(agent.pid).length;
    const line = connect(agent.socket, () => void line.write(`{"start":"${name}"}\n`));
    const token = await new Promise<string>((resolve) => {
      let heard = '';
      line.on('data', (piece) => {
        heard += piece;
        const [, found] = /"attach","token":"([0-9a-f]{32})"/.exec(heard) ?? [];
        if (found !== undefined) resolve(found);
      });
    });
    expect(await say(`{"attach":"${token}"}\nand more`)).toBe('');
    const channel = connect(agent.socket, () => void channel.write(`{"attach":"${token}"}\n`));
    channel.on('error', nothing);
    await until(() => descendantsOf(agent.pid).length > before, 'it starts a process');
    expect(await say(`{"attach":"${token}"}\n`)).toBe('');
    // The end of the connection that asked for it is the end of the process.
    line.destroy();
    await until(() => descendantsOf(agent.pid).length === before, 'the process is gone');
    channel.destroy();
  });

  test('takes its hosts with it when it is killed, and another one finds its folder as if new', async () => {
    await using first = await startAgent();
    const { host, exit } = await start(first);
    await host.load(1, HEAD, BUNDLE);
    const family = descendantsOf(first.pid);
    expect(family.length).toBeGreaterThan(0);
    await first.kill();
    expect(await exit).toMatchObject({ blamed: false });
    await until(() => alive(family).length === 0, 'its hosts are gone');
    const remote = new RemoteAgent(first.socket);
    await expect(remote.startChild(createLog('silent'))).rejects.toThrow('look at its container');
    expect(remote.problem).toContain('ECONNREFUSED');
    await using second = await startAgent({ at: first.socket });
    const again = await start(second, { files: remote });
    expect(remote.problem).toBe(null);
    again.host.kill('the test is over');
    await again.exit;
  });

  test('is waited for when it is late, and is no use without a socket', async () => {
    await using folder = await tempFolder();
    const at = join(folder.path, 'host', 'agent.sock');
    const waiting = new RemoteAgent(at).describe(20_000);
    await using late = await startAgent({ at });
    expect(await waiting).toMatchObject({ available: true });
    await expect(new RemoteAgent(`${late.socket}.none`).describe(0)).rejects.toThrow('does not answer (ENOENT)');
  });

  test('that removes what the core put beside its socket does not bring the core down', async () => {
    const liar = createServer((socket) => {
      socket.on('error', nothing).once('data', () => {
        for (const name of readdirSync(dirname(path))) if (name.endsWith('.box')) rmSync(join(dirname(path), name));
        socket.write(`{"is":"attach","token":"${'0'.repeat(32)}"}\n{"is":"started","pid":1}\n`);
      });
    });
    await using folder = await tempFolder();
    const path = join(folder.path, 'agent.sock');
    await new Promise<void>((resolve) => liar.listen(path, resolve));
    const logged: string[] = [];
    const log = createLog('warn', { write: (line) => logged.push(line) });
    const child = await new RemoteAgent(path).startChild(log);
    expect(await child.started).toBe(1);
    expect(logged.join()).toContain('was not where the core put it');
    liar.close();
    child.kill();
  });

  test.each([
    ['a word that it does not know', '{"is":"hello"}\n'],
    ['a token that is none', '{"is":"attach","token":"../../x"}\n'],
    ['no JSON', 'HTTP/1.1 200 OK\n'],
    ['a line without end', 'x'.repeat(100_000)],
    ['nothing', ''],
  ])('that says %s is given up', async (_what, answer) => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'agent.sock');
    const liar = createServer((socket) => {
      socket.on('error', nothing).on('data', () => void socket.end(answer));
    });
    await new Promise<void>((resolve) => liar.listen(path, resolve));
    const remote = new RemoteAgent(path);
    await expect(remote.startChild(createLog('silent'))).rejects.toThrow('does not answer');
    expect(remote.problem).toContain('does not answer');
    expect(readdirSync(folder.path).filter((name) => name.endsWith('.box'))).toEqual([]);
    liar.close();
  });

  test('that is told to stop waits for the last host: a core that stops finishes what it is at', async () => {
    await using stopping = await startAgent();
    const { host, exit } = await start(stopping);
    stopping.stop();
    expect((await host.load(1, HEAD, BUNDLE)).gone).toBe(false);
    host.kill('the core stops');
    await exit;
    expect(await within(stopping.exited, 'the agent ends')).toBe(0);
  });
});

test('doctor asks the agent', async () => {
  const found = await checkConfinement({ allowUnconfined: false, isolateHost: agent.socket });
  expect(found).toMatchObject({ state: 'ok', detail: expect.stringContaining('in another container') });
  const missing = await checkConfinement({ allowUnconfined: false, isolateHost: `${agent.socket}.none` });
  expect(missing).toMatchObject({ state: 'fail', detail: expect.stringContaining('ENOENT') });
});

test('a whole core over an agent: a plugin serves, one that hangs is killed and blamed, an agent that died comes back', async () => {
  await using first = await startAgent();
  await using core = await startCore({ env: { STREAMSPACE_ISOLATE_HOST: first.address } });
  await install(core, {
    manifest: { name: 'steady' },
    'index.ts': `export default { onLoad({ api }) { api.get('/', () => ({ well: true }), { auth: 'public' }); } };`,
  });
  await install(core, {
    manifest: { name: 'stubborn' },
    'index.ts': `export default { onLoad({ api }) {
      api.get('/hang', () => [].indexOf.call({ length: 2 ** 53 - 1 }, 1), { auth: 'public' });
    } };`,
  });
  const steady = () => core.api('GET', '/api/plugins/steady/', { token: null });
  expect((await steady()).body).toEqual({ well: true });
  // All of its hosts are the agent's: the core has none.
  const isHost = ({ command }: { command: string }) => command.includes('runtime/main.ts');
  expect(descendantsOf(core.pid).filter(isHost)).toEqual([]);
  expect(descendantsOf(first.pid).filter(isHost)).not.toEqual([]);
  const { body } = await core.api('GET', '/readyz?verbose');
  const check = body.checks.find(({ name }: { name: string }) => name === 'isolate-host');
  expect(check.detail).toContain('in another container');
  expect(check.detail).toContain('reaches nothing');

  const hung = await core.api('GET', '/api/plugins/stubborn/hang', { token: null });
  expect(hung.status).toBeGreaterThanOrEqual(500);
  await until(async () => (await steady()).status === 200, 'the other plugin is back');
  const line = await core.line(({ msg }) => msg === 'isolate host died, starting another', 'a host was killed');
  expect(line.reason).toContain('cannot be stopped');
  const culprits = async (plugin: string) =>
    (await core.api('GET', `/api/plugins/${plugin}/post-mortems`)).body.items.map(
      ({ verdict }: { verdict: string }) => verdict,
    );
  expect(await until(async () => (await culprits('stubborn'))[0], 'it is blamed')).toBe('culprit');
  expect(await culprits('steady')).not.toContain('culprit');

  await first.kill();
  await until(async () => (await core.api('GET', '/readyz', { token: null })).status === 503, 'it is not ready');
  await using second = await startAgent({ at: first.socket });
  await until(async () => (await steady()).status === 200, 'the plugin is back', 20_000);
  await until(async () => (await core.api('GET', '/readyz', { token: null })).status === 200, 'it is ready again');
  expect(await core.stop()).toBe(0);
  await until(() => descendantsOf(second.pid).length === 0, 'no host outlives the core');
});
