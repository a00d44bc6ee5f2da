import type { Config } from '../../config.ts';
import { detectLayers, type LayerReport } from '../../host/confinement.ts';
import { isBare } from '../../host/policy.ts';
import { RemoteAgent } from '../../host/remote-agent.ts';
import { type Finding, reason } from './check.ts';

/** How well the isolate host can be locked in here; the best layer that works is the one that is used. */
export async function checkConfinement(config: Pick<Config, 'allowUnconfined' | 'isolateHost'>): Promise<Finding> {
  const { allowUnconfined, isolateHost } = config;
  if (isolateHost === null) return judge(detectLayers(), allowUnconfined);
  try {
    return judge([await new RemoteAgent(isolateHost).describe(0)], allowUnconfined);
  } catch (error) {
    const help = 'The container of the isolate hosts has to run, and to share the folder of the socket.';
    return { name: 'confinement', state: 'fail', detail: reason(error), help };
  }
}

function judge(layers: readonly LayerReport[], allowUnconfined: boolean): Finding {
  const name = 'confinement';
  const missing = layers.filter(({ available }) => !available).map(({ layer, detail }) => `${layer}: ${detail}`);
  const best = layers.find(({ available }) => available);
  if (best === undefined) return { name, state: 'fail', detail: missing.join('; '), help: 'Run the core on Linux.' };

  const detail = `${best.layer}: ${best.detail}`;
  const help = missing.length === 0 ? {} : { help: `Better: ${missing.join('; ')}` };
  const problem = isBare(best) ? 'uploaded plugins are refused' : null;
  if (allowUnconfined) {
    const set = 'STREAMSPACE_ALLOW_UNCONFINED is set';
    const meaning = problem === null ? 'it is not needed here' : 'uploaded plugins run all the same';
    return { name, state: 'warn', detail: `${detail}; WARNING: ${set}: ${meaning}`, ...help };
  }
  if (problem !== null) return { name, state: 'warn', detail: `${detail}; ${problem}`, ...help };
  // Without a filter a hole in the kernel is within reach; the layer holds nevertheless.
  if (!best.seccomp) return { name, state: 'warn', detail, ...help };
  return { name, state: 'ok', detail: missing.length === 0 ? detail : `${detail}; better: ${missing.join('; ')}` };
}
