import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { validate } from 'dockerfile-utils';
import { AGENT_LIMITS } from '../../runtime/protocol/agent.ts';
import { openChannel } from '../../src/host/channel.ts';
import { IsolateHost } from '../../src/host/isolate-host.ts';
import { loadPrelude } from '../../src/host/prelude.ts';
import { RemoteAgent } from '../../src/host/remote-agent.ts';
import { createLog } from '../../src/log.ts';
import { startAgent } from '../kit/agent.ts';
import { DOCKERFILE, layOut, ROOT, sourcesOf, stage, stages } from '../kit/dockerfile.ts';
import { tempFolder } from '../kit/plugin.ts';
import { until } from '../kit/until.ts';

// No image can be built here (no registry is within reach): the file is linted, and what it copies is run.

setDefaultTimeout(60_000);

const IMAGES = ['isolate-host', 'core'];
const IGNORE = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');

test('the linter finds nothing', () => {
  expect(validate(DOCKERFILE).map(({ message }) => message)).toEqual([]);
});

test('there are a stage that builds and two images', () => {
  expect(stages().map(({ name }) => name)).toEqual(['build', ...IMAGES]);
});

describe.each(IMAGES)('the image %s', (name) => {
  const { copies, of } = stage(name);

  test('runs as an account of its own, by number, so that a kubelet can tell', () => {
    expect(of('USER')).toEqual([name === 'core' ? '10001:10001' : '10002:10002']);
    expect(of('ADD')).toEqual([]);
  });

  test('copies what is there, and what .dockerignore lets through', () => {
    const sources = copies.filter(({ from }) => from === null).flatMap((copy) => copy.sources);
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources.flatMap(sourcesOf)) {
      expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
      expect(IGNORE).toContain(`!${source.split('/')[0]}`);
    }
    for (const source of sources) expect(sourcesOf(source)).not.toEqual([]);
  });

  test('holds no secret in its environment', () => {
    expect(of('ENV').join('\n')).not.toMatch(/KEY|PASSWORD|TOKEN|DATABASE_URL/);
  });
});

test('the core finds all that it imports in its image', () => {
  const copied = stage('core').copies.flatMap(({ from, sources }) => (from === null ? sources : []));
  const inImage = (path: string) => copied.some((source) => path === source || path.startsWith(`${source}/`));
  const seen = importsOf(['src/main.ts', 'src/cli/main.ts', 'src/host/prelude-build.ts', 'runtime/guest/main.ts']);
  expect(seen.size).toBeGreaterThan(300);
  expect([...seen].filter((path) => !inImage(path))).toEqual([]);
});

describe('what the image of the isolate host holds', () => {
  let image: Awaited<ReturnType<typeof tempFolder>>;
  beforeAll(async () => {
    image = await tempFolder();
    // As every account may read /app of an image.
    await chmod(image.path, 0o755);
    await layOut('isolate-host', image.path);
  });
  afterAll(() => image?.[Symbol.asyncDispose]());

  test('is enough to run it', async () => {
    await using agent = await startAgent({ root: image.path });
    expect(agent.ready).toMatchObject({ seccomp: true, files: true });
    const nothing = (): void => undefined;
    const host = await IsolateHost.start({
      files: new RemoteAgent(agent.socket),
      layer: 'permission',
      prelude: await loadPrelude(join(image.path, 'cache')),
      log: createLog('silent'),
      guests: { onCall: nothing, onCallAbort: nothing, onDeadline: nothing, onGone: nothing, onStats: nothing },
      onExit: nothing,
    });
    expect(Object.values(host.ready.reach)).not.toContain(true);
    host.kill('the test is over');
  });

  test('passes on what a process prints, up to a limit: then the process waits', async () => {
    // A host that something has taken over: it prints ten megabytes.
    const flood = `import { writeSync } from 'node:fs';
      for (let count = 0; count < 160; count++) writeSync(1, 'x'.repeat(65_536));
      writeSync(2, 'done');`;
    await Bun.write(join(image.path, 'runtime/main.ts'), flood);
    await using agent = await startAgent({ root: image.path });
    let printed = '';
    const log = createLog('warn', { write: (line) => (printed += JSON.parse(line).output ?? '') });
    const child = await new RemoteAgent(agent.socket).startChild(log);
    const channel = await openChannel(child.channel, { onFrame: () => undefined, onClose: () => undefined });
    await until(() => printed.length >= AGENT_LIMITS.outputCharsPerMinute, 'it prints up to the limit');
    child.kill();
    expect(await child.exited).toBe(128 + 9);
    expect(printed.length).toBeLessThan(4 * AGENT_LIMITS.outputCharsPerMinute);
    expect(printed).not.toContain('done');
    channel.close();
  });
});

/** Files of ours that these import, and so on. */
function importsOf(entries: readonly string[]): ReadonlySet<string> {
  const transpiler = new Bun.Transpiler({ loader: 'ts' });
  const seen = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (!path.endsWith('.ts')) continue;
    const text = readFileSync(join(ROOT, path), 'utf8').replace(/^#!.*/, '');
    for (const { path: found } of transpiler.scanImports(text)) {
      if (found.startsWith('.')) waiting.push(relative(ROOT, join(ROOT, dirname(path), found)));
    }
  }
  return seen;
}
