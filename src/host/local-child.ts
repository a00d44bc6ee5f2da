import type { Log } from '../log.ts';
import { BlackBoxFile } from './black-box.ts';
import { confine, type Layer } from './confinement.ts';
import type { HostChild } from './host-child.ts';
import { forwardOutput } from './host-output.ts';
import { type HostFiles, hostFlags, type Locks } from './lockdown-plan.ts';
import { innermost, residentBytes } from './resident-memory.ts';

/**
 * Starts a confined Node as a child of the core, over inherited descriptors.
 *
 * @param options.locks what the layer adds; all that it can on this machine when absent
 */
export function startLocalChild(options: {
  readonly files: HostFiles;
  readonly layer: Layer;
  readonly locks?: Locks;
  readonly log: Log;
}): HostChild {
  const { files, layer, locks, log } = options;
  const blackBox = BlackBoxFile.unnamed();
  using confined = confine(layer, files, hostFlags(files), locks);
  const child = Bun.spawn(confined.command, {
    stdio: [blackBox.descriptor, 'pipe', 'pipe', 'pipe', ...confined.descriptors],
    env: {},
    cwd: '/',
  });
  forwardOutput(child.stdout, log);
  forwardOutput(child.stderr, log);
  /** The process that runs the isolates; the child may be the one that confines it. */
  let inner: number | null = null;
  return {
    blackBox,
    channel: { descriptor: child.stdio[3] as unknown as number },
    started: Promise.resolve(child.pid),
    exited: child.exited,
    lost: new Promise(() => undefined),
    residentBytes() {
      inner ??= innermost(child.pid);
      return residentBytes(inner);
    },
    kill: () => child.kill('SIGKILL'),
  };
}
