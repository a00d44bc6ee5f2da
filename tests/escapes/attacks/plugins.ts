import type { PluginSource } from '../../kit/plugin.ts';
import type { Attack, Place } from './attack.ts';

/** What an attacker asks for when the attack does not say: little time, so that the suite is over soon. */
const LIMITS = { cpuMsPerCall: 200, wallMsPerCall: 2_000 };
/** The event that sets an attack off, below the plugin's own name. */
const SIGNAL = 'go';

/** Statements of `onLoad` that put the attack into its place. `armed` is whether it was set off before this load. */
const PLANTED: Readonly<Record<Place, string>> = {
  'first call': '',
  'proven handler': '',
  'top level': '',
  onLoad: 'return attack(streamspace);',
  timer: `api.get('/go', () => { setTimeout(() => attack(streamspace), 0); return 'set'; }, open);`,
  event: `
    events.on('plugin.' + plugin.name + '.${SIGNAL}', () => attack(streamspace));
    api.get('/go', () => events.emit('${SIGNAL}'), open);`,
  job: `
    let armed = false;
    scheduler.schedule('* * * * * *', () => armed && attack(streamspace), { name: 'attack' });
    api.get('/go', () => { armed = true; return 'armed'; }, open);`,
  onDisable: '',
  onUnload: '',
  onConfigChange: '',
  reload: `
    if ((await storage.get('armed')) === true) return attack(streamspace);
    api.get('/arm', () => storage.set('armed', true), open);`,
  'each load': `
    if ((await storage.get('armed')) === true) return attack(streamspace);
    api.get('/go', async () => { await storage.set('armed', true); return attack(streamspace); }, open);`,
  method: 'plugins.expose({ attack: () => attack(streamspace) });',
};

/** Hooks that run the attack. */
const HOOKS: Partial<Record<Place, string>> = {
  onDisable: 'onDisable: () => attack(streamspace),',
  onUnload: 'onUnload: () => attack(streamspace),',
  onConfigChange: 'onConfigChange: () => attack(streamspace),',
};

/** The plugin that carries out an attack; `GET /ping` says whether it is there, `GET /attack?go` lets go. */
export function attacker(name: string, attack: Attack): PluginSource {
  const { code, place, sync = false, setup = '', limits, permissions = [] } = attack;
  return {
    manifest: { name, permissions, limits: { ...LIMITS, ...limits } },
    'index.js': `
      const kept = [];
      ${setup}
      ${sync ? '' : 'async '}function attack(streamspace, request, ctx) {
        const { api, events, log, plugin, plugins, scheduler, storage } = streamspace;
        ${code}
      }
      ${place === 'top level' ? 'attack(streamspace);' : ''}
      export default {
        async onLoad(streamspace) {
          const { api, events, plugin, plugins, scheduler, storage } = streamspace;
          const open = { auth: 'public' };
          api.get('/ping', () => 'pong', open);
          api.get('/attack', (request, ctx) => request.url.endsWith('?go') ? attack(streamspace, request, ctx) : 'quick', open);
          ${PLANTED[place]}
        },
        ${HOOKS[place] ?? ''}
      };`,
  };
}

/** A plugin that means well and calls the attacker's method. */
export function accomplice(name: string, target: string): PluginSource {
  return {
    manifest: { name, permissions: [`plugins:call:${target}`] },
    'index.js': `
      export default {
        onLoad({ api, plugins }) {
          api.get('/go', () => plugins.call('${target}', 'attack'), { auth: 'public' });
        },
      };`,
  };
}

/** A plugin that counts its calls in the database and answers JSON: what a healthy one does. */
export function healthy(name: string): PluginSource {
  return {
    manifest: { name },
    'index.ts': `
      export default {
        onLoad({ api, storage }) {
          api.get('/hello', async () => ({ name: '${name}', calls: await storage.increment('calls') }), { auth: 'public' });
        },
      };`,
  };
}
