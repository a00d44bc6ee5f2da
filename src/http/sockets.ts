import type { Server, ServerWebSocket, WebSocketHandler } from 'bun';

/** What one WebSocket does; a request becomes one by `server.upgrade(request, { data })`. */
export interface Socket {
  onOpen(socket: ServerWebSocket<Socket>): void;
  onText(text: string, socket: ServerWebSocket<Socket>): void;
  onClose(): void;
}

/** The server that requests come from, as far as they become WebSockets. */
export type SocketServer = Pick<Server<Socket>, 'upgrade' | 'requestIP'>;

/** Bytes of a message from a client; a longer one closes the connection (RFC 6455, 1009). */
const MAX_MESSAGE_BYTES = 1_048_576;
/** Bytes that wait for a client that does not read; over that it is closed. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** RFC 6455, 7.4.1: what came is of a kind that is not taken. */
const UNSUPPORTED = 1003;

/** What Bun's server does with WebSockets: each has its own way, all have the same bounds. */
export const SOCKETS: WebSocketHandler<Socket> = {
  maxPayloadLength: MAX_MESSAGE_BYTES,
  backpressureLimit: MAX_WAITING_BYTES,
  closeOnBackpressureLimit: true,
  // Compressed text beside secrets can be guessed by its length, and a bomb is no more than its first kilobyte.
  perMessageDeflate: false,
  open: (socket) => socket.data.onOpen(socket),
  message(socket, message) {
    if (typeof message === 'string') socket.data.onText(message, socket);
    else socket.close(UNSUPPORTED, 'only text is taken');
  },
  close: (socket) => socket.data.onClose(),
};
