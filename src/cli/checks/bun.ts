import { packageManager } from '../../../package.json' with { type: 'json' };
import type { Finding } from './check.ts';

/** The Bun that runs this, against the one that the project is tested with. */
export function checkBun(): Finding {
  const wanted = packageManager.replace('bun@', '');
  const detail = `${Bun.version}, on ${process.platform} ${process.arch}`;
  if (Bun.version === wanted) return { name: 'Bun', state: 'ok', detail };
  return {
    name: 'Bun',
    state: 'warn',
    detail: `${detail}; tested with ${wanted}`,
    help: `Run it as \`npx -y bun@${wanted} ...\`.`,
  };
}
