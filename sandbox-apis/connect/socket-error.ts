/** The error of the Sockets API: a TypeError whose message says that it is one. */
export class SocketError extends TypeError {
  /** Of docs/errors.md, when the core refused or failed. */
  declare readonly code?: string;

  constructor(message: string, options: { readonly code?: string; readonly cause?: unknown } = {}) {
    super(`SocketError: ${message}`, 'cause' in options ? { cause: options.cause } : undefined);
    if (options.code !== undefined) this.code = options.code;
  }
}

Object.defineProperty(SocketError, 'name', { value: 'SocketError' });

/** What the core answered as a SocketError, except for a refusal of the gate, which names its permission. */
export function asSocketError(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === 'permission_denied' || error instanceof SocketError) return error;
  return new SocketError(typeof message === 'string' ? message : 'unknown error', {
    ...(typeof code === 'string' ? { code } : {}),
    cause: error,
  });
}

/** Whether the peer reset the connection. */
export function isReset(error: unknown): boolean {
  return (error as { reason?: unknown }).reason === 'ECONNRESET';
}
