import type { ApiAnswer } from '../../kit/api-client.ts';
import { install } from '../../kit/plugin.ts';
import type { RunningCore } from '../../kit/start-core.ts';
import type { Attack } from './attack.ts';
import { accomplice } from './plugins.ts';

/** Quick calls that come before the attack, for a handler that the host has learned to trust. */
const QUICK_CALLS = 50;

/** The plugin that calls the attacker's method. */
export const friendOf = (name: string): string => `${name}-friend`;

/** Does what has to be done before an installed attacker is let go. */
export async function prepare(core: RunningCore, name: string, { place }: Attack): Promise<void> {
  if (place === 'method') await install(core, accomplice(friendOf(name), name));
  if (place === 'reload') await core.api('GET', `/api/plugins/${name}/arm`);
  if (place !== 'proven handler') return;
  for (let call = 0; call < QUICK_CALLS; call += 1) await core.api('GET', `/api/plugins/${name}/attack`);
}

/** Lets an installed attacker go; answers `<status> <code>` of each answer. */
export async function trigger(core: RunningCore, name: string, attack: Attack): Promise<string[]> {
  const path = `/api/plugins/${name}`;
  switch (attack.place) {
    case 'first call':
    case 'proven handler':
      return askAll(core, name, attack);
    case 'timer':
    case 'event':
    case 'job':
    case 'each load':
      return [codeOf(await core.api('GET', `${path}/go`))];
    case 'method':
      return [codeOf(await core.api('GET', `/api/plugins/${friendOf(name)}/go`))];
    case 'onDisable':
      return [codeOf(await core.api('POST', `${path}/disable`))];
    case 'onUnload':
    case 'reload':
      return [codeOf(await core.api('POST', `${path}/reload`))];
    case 'onConfigChange':
      return [codeOf(await core.api('PATCH', path, { body: { config: {} } }))];
    case 'top level':
    case 'onLoad':
      return [];
  }
}

/** `<status> <code>`, or the status alone when it is no problem. */
export function codeOf({ status, body }: ApiAnswer): string {
  const code = (body as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? `${status} ${code}` : `${status}`;
}

async function askAll(core: RunningCore, name: string, attack: Attack): Promise<string[]> {
  const { requests = 1, rounds = 1 } = attack;
  const answers: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    answers.push(...(await Promise.all(Array.from({ length: requests }, () => ask(core, name, attack)))));
  }
  return answers;
}

async function ask({ url }: RunningCore, name: string, { hangUpAfterMs }: Attack): Promise<string> {
  const signal = hangUpAfterMs === undefined ? {} : { signal: AbortSignal.timeout(hangUpAfterMs) };
  try {
    const response = await fetch(`${url}/api/plugins/${name}/attack?go`, signal);
    const text = await response.text();
    const isProblem = response.headers.get('content-type') === 'application/problem+json';
    return isProblem ? `${response.status} ${(JSON.parse(text) as { code: string }).code}` : `${response.status}`;
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError' ? 'hung up' : 'broken off';
  }
}
