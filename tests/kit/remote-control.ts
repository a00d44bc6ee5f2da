import type { Api } from './api-client.ts';

/** What a call inside the plugin came to. */
export interface Outcome {
  // biome-ignore lint/suspicious/noExplicitAny: each call answers something else
  readonly value?: any;
  readonly error?: {
    readonly kind: 'permission' | 'streamspace' | 'other';
    readonly name: string;
    readonly message: string;
    readonly code?: string;
    readonly permission?: string;
    readonly stack: string;
  };
}

/** Makes the plugin `name` (of the fixture remote-control) do something: `remote('storage.get', 'key')`. */
export function remoteControl(core: Api, name = 'remote-control') {
  return async (path: string, ...args: unknown[]): Promise<Outcome> => {
    const { status, body } = await core.api('POST', `/api/plugins/${name}/call`, { token: null, body: { path, args } });
    if (status !== 200) throw new Error(`${path} answers ${status}: ${JSON.stringify(body)}`);
    return body as Outcome;
  };
}
