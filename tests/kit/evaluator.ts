import type { Api, ApiAnswer } from './api-client.ts';
import { type InstallOptions, install, type PluginSource } from './plugin.ts';

/**
 * A plugin that does what it is told: `/run` evaluates its body as an async function and answers what came of it,
 * `/raw` is the same with nothing around it. Its own methods were taken before anything could be patched.
 */
const SOURCE = `
  const AsyncFunction = (async () => {}).constructor;
  const { stringify } = JSON;
  const text = Request.prototype.text;
  const apply = Reflect.apply;
  const Answer = Response;
  const string = String;
  const heard = [];

  const shown = (error) => {
    if (typeof error !== 'object' || error === null) return { thrown: string(error) };
    const { name, message, code, stack } = error;
    return { name, message, code, stack };
  };
  const run = async (request, ctx) => {
    const code = await apply(text, request, []);
    try {
      const make = new AsyncFunction('ctx', 'request', 'heard', code);
      return new Answer(stringify({ value: (await make(ctx, request, heard)) ?? null }));
    } catch (error) {
      return new Answer(stringify({ error: shown(error) }));
    }
  };
  export default {
    onLoad(streamspace) {
      const { api, events, plugins } = streamspace;
      globalThis.ctx = streamspace;
      const open = { auth: 'public' };
      api.post('/run', run, open);
      api.post('/raw', async (request, ctx) => {
        const body = await apply(text, request, []);
        return new Function('ctx', 'request', 'heard', body)(ctx, request, heard);
      }, open);
      api.get('/ping', () => ({ pong: true }), open);
      api.get('/async-ping', async () => ({ pong: await 1 }), open);
      api.post('/echo/:word', async (request, ctx) => ctx.json({ word: ctx.params.word, got: await request.json() }), open);
      api.all('/any/*', (request, ctx) => ({ method: request.method, path: ctx.params['*'] }), open);
      events.on('plugin.' + streamspace.plugin.name + '.told', (data, event) => { heard[heard.length] = { data, name: event.name }; });
      plugins.expose({ echo: (...args) => args, run: async (code, ...args) => new AsyncFunction('ctx', 'args', code)(streamspace, args) });
    },
  };`;

/** What code in the plugin came to. */
export interface Evaluated {
  // biome-ignore lint/suspicious/noExplicitAny: each piece of code answers something else
  readonly value?: any;
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string; readonly stack: string };
}

export interface Evaluator {
  readonly name: string;
  /** Runs the body of an async function of `(ctx, request, heard)` inside the plugin. */
  run(code: string): Promise<Evaluated>;
  /** What it answers. @throws Error when the code throws */
  // biome-ignore lint/suspicious/noExplicitAny: each piece of code answers something else
  value(code: string): Promise<any>;
  /** Runs code as a plain handler: what it throws or answers is what the bridge gets. */
  raw(code: string): Promise<ApiAnswer>;
  get(path: string): Promise<ApiAnswer>;
  /** A fresh isolate: what was patched is gone, and so are strikes. */
  renew(): Promise<void>;
}

export interface EvaluatorOptions extends InstallOptions {
  /** Code that runs before everything else of the plugin. */
  readonly first?: string;
}

/** @param first code that runs before everything else of the plugin */
export function evaluatorSource(name: string, manifest: object = {}, first = ''): PluginSource {
  // What is imported runs first.
  return { manifest: { name, ...manifest }, 'index.ts': `import './first.ts';\n${SOURCE}`, 'first.ts': first };
}

/** Installs the evaluator under a name of its own. */
export async function installEvaluator(
  core: Api,
  name: string,
  manifest: object = {},
  { first = '', ...options }: EvaluatorOptions = {},
): Promise<Evaluator> {
  await install(core, evaluatorSource(name, manifest, first), options);
  const prefix = `/api/plugins/${name}`;
  const run: Evaluator['run'] = async (code) => {
    const { status, body } = await core.api('POST', `${prefix}/run`, { token: null, body: code });
    if (status !== 200) throw new Error(`the code answers ${status}: ${JSON.stringify(body)}`);
    return (typeof body === 'string' ? JSON.parse(body) : body) as Evaluated;
  };
  return {
    name,
    run,
    async value(code) {
      const { value, error } = await run(code);
      if (error !== undefined)
        throw new Error(`the code throws ${error.name}: ${error.message}`, { cause: error.stack });
      return value;
    },
    raw: (code) => core.api('POST', `${prefix}/raw`, { token: null, body: code }),
    get: (path) => core.api('GET', prefix + path, { token: null }),
    async renew() {
      const enabled = await core.api('POST', `${prefix}/enable`);
      const reloaded = enabled.status === 200 ? await core.api('POST', `${prefix}/reload`) : enabled;
      if (reloaded.status !== 200) throw new Error(`it does not come back: ${JSON.stringify(reloaded.body)}`);
    },
  };
}
