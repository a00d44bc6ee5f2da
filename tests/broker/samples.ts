/** An input that each call takes: the conformance test insists that every call of every room is here. */
export const SAMPLES: Readonly<Record<string, unknown>> = {
  'api.register': {
    handler: 1,
    method: 'GET',
    path: '/hello',
    auth: 'public',
    permissions: [],
    rateLimit: null,
    validation: null,
    summary: null,
  },
  'api.unregister': { id: 1 },
  'budget.get': { limit: 'timers' },
  'config.get': {},
  'connect.open': {
    hostname: 'example.com',
    port: 587,
    secureTransport: 'starttls',
    allowHalfOpen: false,
    sni: null,
    alpn: [],
  },
  'connect.attach': { socket: 1, stream: 1 },
  'connect.startTls': { socket: 1, sni: null },
  'events.on': { pattern: 'user.created', once: false, handler: 1 },
  'events.off': { id: 1 },
  'events.emit': { name: 'said', data: null },
  'fetch.request': { method: 'GET', url: 'https://example.com/', headers: [], redirect: 'follow', body: null },
  'log.write': { level: 'info', message: 'hello' },
  'plugins.get': { name: 'other' },
  'plugins.call': { name: 'other', method: 'add', args: [1] },
  'plugins.expose': { method: 'add', handler: 1 },
  'scheduler.schedule': {
    name: 'job',
    overlap: 'skip',
    catchUp: false,
    handler: 1,
    cron: '0 * * * *',
    timezone: 'UTC',
  },
  'scheduler.every': { name: 'job', overlap: 'skip', catchUp: false, handler: 1, interval: '1m' },
  'scheduler.cancel': { id: 1 },
  'secrets.get': { name: 'password' },
  'secrets.list': {},
  'storage.get': { key: 'a' },
  'storage.set': { key: 'a', value: 1 },
  'storage.delete': { key: 'a' },
  'storage.list': {},
  'storage.increment': { key: 'a', by: 1 },
};

/** The permission that each of these samples needs; of the others none. */
export const NEEDED: Readonly<Record<string, string>> = {
  'connect.open': 'network:tcp:example.com:587',
  'events.on': 'events:subscribe:user.created',
  'fetch.request': 'network:example.com:443',
  'plugins.call': 'plugins:call:other',
};

/**
 * Where an input takes any JSON, bounded only by the size and depth of the whole call: for what the plugin itself means
 * by it, which the handler has to bound again.
 */
export const ANY_JSON: readonly string[] = [
  'api.register/validation/body/*',
  'api.register/validation/query/*',
  'api.register/validation/params/*',
  'events.emit/data',
  'log.write/fields/*',
  'plugins.call/args/*',
  'storage.set/value',
];
