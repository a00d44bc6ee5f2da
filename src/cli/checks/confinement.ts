import { detectLayers } from '../../host/confinement.ts';
import type { Finding } from './check.ts';

/** How well the isolate host can be locked in here; the best layer that works is the one that is used. */
export function checkConfinement(): Finding {
  const layers = detectLayers();
  const best = layers.find(({ available }) => available);
  const missing = layers.filter(({ available }) => !available).map(({ layer, detail }) => `${layer}: ${detail}`);
  if (best === undefined) {
    return { name: 'confinement', state: 'fail', detail: missing.join('; '), help: 'Run the core on Linux.' };
  }
  const detail = `${best.layer}: ${best.detail}`;
  if (best.layer !== 'permission') return { name: 'confinement', state: 'ok', detail };
  return { name: 'confinement', state: 'warn', detail, help: missing.join('; ') };
}
