import type { Config } from '../../config.ts';
import { type Finding, reason } from './check.ts';

/** Whether the port that the core would listen on is free. */
export async function checkPort({ host, port }: Config): Promise<Finding> {
  const name = 'port';
  if (port === 0) return { name, state: 'ok', detail: 'PORT=0: a free one is picked at start' };
  try {
    const server = Bun.listen({ hostname: host, port, exclusive: true, socket: { data() {} } });
    server.stop(true);
    return { name, state: 'ok', detail: `${host}:${port} is free` };
  } catch (error) {
    const help = 'Stop what listens there, or set PORT; nothing to do if it is the host that you run.';
    return { name, state: 'warn', detail: `${host}:${port}: ${reason(error)}`, help };
  }
}
