import { afterAll, afterEach, beforeAll, beforeEach, setDefaultTimeout } from 'bun:test';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { type Ran, streamspace } from './run.ts';

/** What a test of the commands has: the real product, and an empty folder of its own. */
export interface Hosted {
  readonly core: RunningCore;
  readonly cwd: string;
  /** Names the host and the admin's token. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `streamspace` as that admin. */
  run(...args: string[]): Promise<Ran>;
  makePlugin(name: string, manifest?: object, source?: string): Promise<void>;
}

/** Starts one core for the tests of a file; what it answers is for use inside them. */
export function hosted(): Hosted {
  setDefaultTimeout(60_000);
  let core: RunningCore;
  let cwd: string;
  beforeAll(async () => {
    core = await startCore();
  });
  afterAll(async () => {
    await core.stop();
  });
  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'streamspace-cli-'));
  });
  afterEach(() => rm(cwd, { recursive: true, force: true }));

  return {
    get core() {
      return core;
    },
    get cwd() {
      return cwd;
    },
    get env() {
      return { STREAMSPACE_URL: core.url, STREAMSPACE_TOKEN: core.token };
    },
    run(...args) {
      return streamspace(args, { cwd, env: this.env });
    },
    async makePlugin(name, manifest = {}, source = 'export default {};\n') {
      await mkdir(join(cwd, name), { recursive: true });
      await writeFile(join(cwd, name, 'manifest.json'), JSON.stringify({ name, version: '1.0.0', ...manifest }));
      await writeFile(join(cwd, name, 'index.ts'), source);
    },
  };
}
