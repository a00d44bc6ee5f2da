import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chmod, copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Confined, confine, detectLayers } from '../../src/host/confinement.ts';
import { hostFiles } from '../../src/host/files.ts';
import { HOST_UID } from '../../src/host/lockdown-plan.ts';
import { filterArchitecture, HOST_RULES } from '../../src/host/seccomp.ts';
import { tempFolder } from '../kit/plugin.ts';

// Cases 31 and 32 of ADVERSARY: the child tries env, files, sockets, processes, its parent, inherited descriptors; with
// Node's own permission model already lost, so that each layer has to hold by itself.

setDefaultTimeout(60_000);

const LAYERS = detectLayers().filter(({ available, seccomp }) => available && seccomp);
const ERRNO = { EPERM: 1, EACCES: 13, ENOSYS: 38 } as const;
const column = filterArchitecture() === 'arm64' ? 1 : 0;

interface Found {
  readonly pid: number;
  readonly uid: number;
  readonly env: readonly string[];
  /** True, or the error. */
  readonly got: Readonly<Record<string, true | string>>;
  readonly others: readonly string[];
  readonly descriptors: readonly { readonly descriptor: number; readonly type: string; readonly ino: number }[];
  readonly errnos: Readonly<Record<string, number>>;
}

let data: Awaited<ReturnType<typeof tempFolder>>;
let secret: string;
/** A copy: without a layer it does change its own code. */
let script: string;
beforeAll(async () => {
  data = await tempFolder();
  await chmod(data.path, 0o755);
  script = join(data.path, 'probe.mjs');
  await copyFile(join(import.meta.dir, 'confinement-probe.mjs'), script);
  await mkdir(join(data.path, 'data'), { mode: 0o700 });
  secret = join(data.path, 'data', 'secret.key');
  await writeFile(secret, 'secret', { mode: 0o600 });
});
afterAll(async () => {
  await data?.[Symbol.asyncDispose]();
  for (const what of ['', 'folder-', 'link-']) {
    await rm(`/tmp/streamspace-planted-${what}${process.pid}`, { recursive: true, force: true });
  }
});

async function probe(
  { command, descriptors }: Pick<Confined, 'command' | 'descriptors'>,
  calls: object | null,
): Promise<Found> {
  const input = new Blob([JSON.stringify({ core: process.pid, secret, folder: join(data.path, 'data'), calls })]);
  const child = Bun.spawn([...command], {
    stdio: [input, 'pipe', 'pipe', 'pipe', ...descriptors],
    env: {},
    cwd: '/',
  });
  const [out, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`the probe failed: ${said}`);
  return JSON.parse(out) as Found;
}

/** Those that are no event queue of Node's own and none of its pipes, which have both ends here. */
function inherited({ descriptors }: Found): number[] {
  const typed = descriptors.filter(({ type }) => type !== '0');
  const whole = (ino: number) => typed.filter((other) => other.ino === ino).length === 2;
  return typed.filter(({ type, ino }) => type !== '10000' || !whole(ino)).map(({ descriptor }) => descriptor);
}

/** Every call that the filter refuses whatever its arguments, with the errno that it then has. */
const refused = HOST_RULES.refused.flatMap(([errno, calls]) =>
  Object.entries(calls).flatMap(([name, numbers]): [string, number, number][] => {
    const number = numbers[column];
    return number === null ? [] : [[name, number, ERRNO[errno]]];
  }),
);

test('without a layer the probe gets through: it is able to fail', async () => {
  const { got, others } = await probe({ command: [hostFiles().node, script], descriptors: [] }, null);
  for (const what of ['read the secret', 'read /etc/passwd', 'spawn itself', 'signal the core', 'connect', 'listen']) {
    expect([what, got[what]]).toEqual([what, true]);
  }
  expect(got['read the environment of the core']).toBe(true);
  expect(got['write to the data folder']).toBe(true);
  expect(others).toContain(String(process.pid));
  expect(await readdir(join(data.path, 'data'))).toContain('planted');
});

describe.each(LAYERS.map(({ layer }) => layer))('in the layer %s alone', (layer) => {
  let found: Found;
  beforeAll(async () => {
    const files = hostFiles();
    using confined = confine(layer, { ...files, entry: script, readable: [...files.readable, script] }, [
      '--no-warnings',
    ]);
    found = await probe(confined, Object.fromEntries(refused.map(([name, number]) => [name, number])));
  });

  test('31: env, files, sockets, processes and the core are out of reach', () => {
    expect(found.env).toEqual([]);
    const through = Object.entries(found.got).flatMap(([what, answer]) => (answer === true ? [what] : []));
    // In a world of its own it may look around: it is alone there.
    expect(through.filter((what) => what !== 'list processes')).toEqual([]);
    expect(found.others).toEqual([]);
    expect(Object.keys(found.got).length).toBeGreaterThan(20);
  });

  test('31: it is another account, where the core is root', () => {
    const expected = process.getuid?.() === 0 || layer === 'bubblewrap' ? HOST_UID : process.getuid?.();
    expect(found.uid).toBe(expected as number);
  });

  test('31: each system call that the filter names is refused by the kernel', () => {
    expect(found.errnos).toEqual(Object.fromEntries(refused.map(([name, , errno]) => [name, errno])));
  });

  test('32: it has the descriptors 0 to 3, and none besides', () => {
    expect(inherited(found)).toEqual([0, 1, 2, 3]);
  });
});

test.skipIf(process.getuid?.() !== 0 || !LAYERS.some(({ layer }) => layer === 'permission'))(
  '31: code in a folder that is closed to others is run, under an account that reads nothing else there',
  async () => {
    await using closed = await tempFolder();
    await chmod(closed.path, 0o700);
    const entry = join(closed.path, 'probe.mjs');
    await copyFile(script, entry);
    await writeFile(join(closed.path, 'secret'), 'secret');
    const files = { ...hostFiles(), entry, readable: [entry] };
    using confined = confine('permission', files, []);
    const input = { core: process.pid, secret: join(closed.path, 'secret'), folder: closed.path, calls: null };
    const child = Bun.spawn(confined.command, {
      stdio: [new Blob([JSON.stringify(input)]), 'pipe', 'inherit', 'pipe'],
      env: {},
      cwd: '/',
    });
    const found = (await new Response(child.stdout).json()) as Found;
    expect(found.uid).toBe(HOST_UID);
    expect(found.got).toMatchObject({ 'read the secret': 'EACCES', 'list the data folder': 'EACCES' });
  },
);
