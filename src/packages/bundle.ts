import { createHash } from 'node:crypto';
import { version as esbuildVersion } from 'esbuild/package.json';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Log } from '../log.ts';
import { type Built, build, CONTEXT_OPTIONS } from './bundle-build.ts';
import { BundleCache } from './bundle-cache.ts';
import { bundleFailed, plainIssue } from './bundle-errors.ts';
import { BundlerDeadline, BundlerDied, runEsbuild, stopEsbuild } from './bundle-service.ts';
import { BUNDLE_LIMITS } from './limits.ts';
import type { Manifest } from './manifest.ts';
import type { PackageFiles } from './read.ts';
import { SDK_SOURCES } from './sdk-modules.ts';

/** A plugin's code as the isolate runs it: the body of `function (module, exports, require)`. */
export interface Bundle {
  readonly code: string;
  /** Source map (ECMA-426) with its contents; `sources` are paths inside the package. */
  readonly map: string;
  /** SHA-256 (hex) of what it was made from: package, entry, bundler and its options. */
  readonly digest: string;
  /** `file:line:column: message` each. */
  readonly warnings: readonly string[];
}

export interface Bundler {
  /**
   * Bundles a package, or takes the bundle from the cache; equal requests at the same time share one run.
   * @throws CodedError `bundle_failed` (`errors` are BundleIssues), `unavailable` after `stop`
   */
  bundle(pkg: PackageFiles, manifest: Pick<Manifest, 'entrypoints'>): Promise<Bundle>;
  /** Starts the bundling process and loads what it needs, ahead of the first bundle. */
  warm(): Promise<void>;
  /** Ends the bundling process for good; what is under way fails with `unavailable`, what is cached is still given. */
  stop(): Promise<void>;
}

export interface BundlerOptions {
  /** Folder of the cache, made when it is first written to. */
  readonly cacheDir: string;
  readonly log: Log;
  /** Milliseconds that one bundle may take. */
  readonly deadlineMs?: number;
}

/** Raised when our part of the bundling changes what comes out. */
const REVISION = 2;

export function createBundler({ cacheDir, log, deadlineMs = BUNDLE_LIMITS.deadlineMs }: BundlerOptions): Bundler {
  const cache = new BundleCache(cacheDir, log);
  const running = new Map<string, Promise<Bundle>>();
  let turn: Promise<unknown> = Promise.resolve();
  let stopped = false;

  /** After the process died under several bundles, each is tried by itself: so the one that kills it is found. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  };

  const make = async (pkg: PackageFiles, entry: string): Promise<Built> => {
    const attempt = () => runEsbuild(log, deadlineMs, (esbuild) => build(esbuild, pkg, entry));
    for (let tries = 1; ; tries += 1) {
      if (stopped) throw new CodedError('unavailable', 'The bundler was stopped');
      try {
        return await (tries === 1 ? attempt() : alone(attempt));
      } catch (error) {
        if (error instanceof BundlerDeadline)
          throw bundleFailed([plainIssue(`Bundling takes longer than ${deadlineMs} ms`)]);
        if (!(error instanceof BundlerDied)) throw error;
        log.warn({ entry, digest: pkg.digest, tries }, 'the bundling process died');
        if (tries === BUNDLE_LIMITS.attempts) {
          throw bundleFailed([plainIssue('The bundler died of this source: it is nested too deep or too large')]);
        }
      }
    }
  };

  const run = async (digest: string, pkg: PackageFiles, entry: string): Promise<Bundle> => {
    const cached = await cache.get(digest);
    if (cached !== null) return cached;
    const bundle = { digest, ...(await make(pkg, entry)) };
    await cache.put(bundle);
    return bundle;
  };

  return {
    bundle(pkg, manifest) {
      const entry = manifest.entrypoints.main;
      const digest = bundleDigest(pkg, entry);
      const known = running.get(digest);
      if (known !== undefined) return known;
      const result = run(digest, pkg, entry).finally(() => running.delete(digest));
      running.set(digest, result);
      return result;
    },
    async warm() {
      const nothing = { files: new Map([['index.js', new Uint8Array()]]), digest: '', bytes: 0 };
      await runEsbuild(log, deadlineMs, (esbuild) => build(esbuild, nothing, 'index.js'));
    },
    async stop() {
      stopped = true;
      await stopEsbuild();
    },
  };
}

function bundleDigest(pkg: PackageFiles, entry: string): string {
  const inputs = [REVISION, esbuildVersion, CONTEXT_OPTIONS, SDK_SOURCES, pkg.digest, entry];
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
}
