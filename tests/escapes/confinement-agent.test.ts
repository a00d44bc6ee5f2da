import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { chmod, copyFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { lockedCommand } from '../../runtime/agent-locks.ts';
import { hostFiles } from '../../src/host/files.ts';
import { filterArchitecture, HOST_RULES } from '../../src/host/seccomp.ts';
import { type RunningAgent, startAgent } from '../kit/agent.ts';
import { tempFolder } from '../kit/plugin.ts';

// Cases 31 and 32 of ADVERSARY in another container: what a guest that broke out of V8 and of Node's permission model can
// reach from a process of the agent, the agent and its socket included.

setDefaultTimeout(60_000);

const ERRNO = { EPERM: 1, EACCES: 13, ENOSYS: 38 } as const;
const column = filterArchitecture() === 'arm64' ? 1 : 0;
const ALL_LOCKS = { seccomp: true, files: true };

let folder: Awaited<ReturnType<typeof tempFolder>>;
let agent: RunningAgent;
let script: string;
beforeAll(async () => {
  folder = await tempFolder();
  agent = await startAgent();
  await chmod(folder.path, 0o755);
  script = join(folder.path, 'probe.mjs');
  await copyFile(join(import.meta.dir, 'confinement-probe.mjs'), script);
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
  for (const what of ['', 'folder-', 'link-']) {
    await rm(`/tmp/streamspace-planted-${what}${agent?.pid}`, { recursive: true, force: true });
  }
});

/** Runs a script in place of a host, locked in as the agent does it; the agent stands for the core. */
async function run(path: string, input: object): Promise<string> {
  const files = { ...hostFiles(), entry: path, readable: [...hostFiles().readable, path] };
  const child = Bun.spawn(lockedCommand(ALL_LOCKS, files, ['--no-warnings', path]), {
    stdio: [new Blob([JSON.stringify(input)]), 'pipe', 'inherit', 'pipe'],
    env: {},
    cwd: '/',
  });
  const out = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return out;
}

const refused = HOST_RULES.refused.flatMap(([errno, calls]) =>
  Object.entries(calls).flatMap(([name, numbers]): [string, number, number][] => {
    const number = numbers[column];
    return number === null ? [] : [[name, number, ERRNO[errno]]];
  }),
);

test('31, 32: it reaches nothing, each system call is refused, and it has four descriptors', async () => {
  const found = JSON.parse(
    await run(script, {
      core: agent.pid,
      secret: agent.socket,
      folder: dirname(agent.socket),
      calls: Object.fromEntries(refused.map(([name, number]) => [name, number])),
    }),
  );
  expect(found.env).toEqual([]);
  expect(Object.entries(found.got).filter(([, answer]) => answer === true)).toEqual([]);
  expect(found.others).toEqual([]);
  expect(found.errnos).toEqual(Object.fromEntries(refused.map(([name, , errno]) => [name, errno])));
  const open = (found.descriptors as { descriptor: number; type: string }[]).filter(({ type }) => type !== '0');
  expect(open.slice(0, 4).map(({ descriptor }) => descriptor)).toEqual([0, 1, 2, 3]);
  // The rest are Node's own pipes.
  expect(open.slice(4).every(({ type }) => type === '10000')).toBe(true);
});

test('the socket of the agent is out of reach for a host, and within reach for the core', async () => {
  const dial = join(folder.path, 'dial.mjs');
  await Bun.write(
    dial,
    `import net from 'node:net';
     const socket = net.connect(${JSON.stringify(agent.socket)}, () => end('connected'));
     socket.on('error', (error) => end(error.code));
     const end = (what) => { process.stdout.write(what); process.exit(0); };`,
  );
  expect(await run(dial, {})).toBe('EPERM');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(agent.socket, resolve).on('error', reject);
  await promise;
  socket.destroy();
});
