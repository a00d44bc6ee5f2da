import { CodedError } from '../_kit/errors.ts';
import type { Target } from './permission.ts';

/** What went wrong between the core and a server, in words that give no address away. */
export function networkFailure(target: Target, error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  const place = `${target.url.protocol}//${target.url.host}`;
  const what = syscall === 'connect' ? 'no connection' : syscall === 'getaddrinfo' ? 'the name is not known' : message;
  return new CodedError('network_failed', `${place}: ${what}${code ? ` (${code})` : ''}`, { reason: code ?? 'failed' });
}
