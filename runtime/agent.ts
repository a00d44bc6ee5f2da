/**
 * The agent of a container for isolate hosts: `node runtime/agent.ts <socket>`. It starts a confined Node for each process
 * that the core asks for, tells of its memory and end, and kills it when the core says so or is gone. It has no secret, no
 * environment and no network. `--check` asks the one that listens, for a probe.
 */
import { connect } from 'node:net';
import { agentFiles, tryLocks } from './agent-locks.ts';
import { startAgent } from './agent-server.ts';
import { AGENT_LIMITS } from './protocol/agent.ts';

const [first, second] = process.argv.slice(2);
if (first === '--check' && second !== undefined) check(second);
else if (first?.startsWith('/')) await serve(first);
else fail('usage: node runtime/agent.ts [--check] /absolute/path/of/the/socket');

async function serve(path: string): Promise<void> {
  // Also before the modes are set: nobody else gets in.
  process.umask(0o007);
  const files = agentFiles();
  const locks = tryLocks(files);
  try {
    const agent = await startAgent(path, files, locks);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => agent.stop());
    say('info', { event: 'ready', socket: path, node: process.version, ...locks });
    await agent.finished;
    say('info', { event: 'stopped' });
    process.exit(0);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

/** Ends with 0 when an agent answers. */
function check(path: string): void {
  const socket = connect(path, () => socket.write('{"hello":true}\n'));
  socket.setTimeout(AGENT_LIMITS.greetMs, () => fail('the agent does not answer'));
  socket.on('error', (error) => fail(error.message));
  socket.once('data', () => process.exit(0));
}

function say(level: string, fields: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ level, time: new Date().toISOString(), ...fields }));
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
