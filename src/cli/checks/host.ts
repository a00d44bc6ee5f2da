import { type Finding, reason } from './check.ts';

interface Readiness {
  readonly status: string;
  readonly checks?: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

/** What a running host says of itself, one finding a check of its own. */
export async function checkHost(url: string): Promise<Finding[]> {
  try {
    const response = await fetch(`${url}/readyz?verbose`, { signal: AbortSignal.timeout(5_000), redirect: 'error' });
    const { status, checks = [] } = (await response.json()) as Readiness;
    const whole: Finding = { name: url, state: response.ok ? 'ok' : 'fail', detail: status };
    return [
      whole,
      ...checks.map(({ name, ok, detail }): Finding => ({ name: `${url} ${name}`, state: ok ? 'ok' : 'fail', detail })),
    ];
  } catch (error) {
    const help = 'Is the host running, and is that its address?';
    return [{ name: url, state: 'fail', detail: reason(error), help }];
  }
}
