import type { Socket } from 'node:net';
import { AGENT_LIMITS, AGENT_NAME, type AgentRequest } from './protocol/agent.ts';

/** What the core says: one key, one value; null for anything else. */
export function readRequest(line: string): AgentRequest | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const entries = Object.entries(value);
  const [key, word] = entries[0] ?? [];
  if (entries.length !== 1) return null;
  if (key === 'hello' && word === true) return { hello: true };
  if (key === 'kill' && word === true) return { kill: true };
  if (typeof word !== 'string' || !AGENT_NAME.test(word)) return null;
  if (key === 'start') return { start: word };
  return key === 'attach' ? { attach: word } : null;
}

/**
 * Reads lines from a connection and takes no more of it than they are.
 *
 * @param onRequest null when a line cannot be read, or is too long; `more` says that something came after it already
 */
export function onRequests(socket: Socket, onRequest: (request: AgentRequest | null, more: boolean) => void): void {
  let held = '';
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => {
    held += piece;
    for (let end = held.indexOf('\n'); end >= 0 && !socket.destroyed; end = held.indexOf('\n')) {
      const line = held.slice(0, end);
      held = held.slice(end + 1);
      onRequest(line.length > AGENT_LIMITS.requestChars ? null : readRequest(line), held !== '');
    }
    if (held.length > AGENT_LIMITS.requestChars) onRequest(null, true);
  });
}
