import { connect } from 'node:net';
import { AGENT_LIMITS, type AgentRequest } from '../../runtime/protocol/agent.ts';
import { type AgentAnswer, decodeAgentMessage } from './agent-messages.ts';

/** A connection to an agent that carries lines of JSON. */
export interface AgentLine {
  /** Nothing happens when it has ended. */
  send(request: AgentRequest): void;
  close(): void;
}

/**
 * Opens a connection to an agent, and says what it is for.
 *
 * @param handlers.onEnd called once, with why: the socket's error code, `ended`, or what was wrong with an answer
 */
export function openAgentLine(
  path: string,
  first: AgentRequest,
  handlers: { readonly onMessage: (message: AgentAnswer) => void; readonly onEnd: (reason: string) => void },
): AgentLine {
  const socket = connect({ path });
  let rest = '';
  let over = false;
  const end = (reason: string): void => {
    if (over) return;
    over = true;
    socket.destroy();
    handlers.onEnd(reason);
  };
  socket.setEncoding('utf8');
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.on('close', () => end('ended'));
  socket.on('data', (piece: string) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > AGENT_LIMITS.answerChars) end('it sends a line that is too long');
    for (const line of lines) {
      if (over) return;
      const message = line.length > AGENT_LIMITS.answerChars ? undefined : decodeAgentMessage(line);
      if (message === undefined) end('it says what cannot be read');
      else handlers.onMessage(message);
    }
  });
  const send = (request: AgentRequest): void => {
    if (!over) socket.write(`${JSON.stringify(request)}\n`);
  };
  send(first);
  return { send, close: () => end('closed') };
}
