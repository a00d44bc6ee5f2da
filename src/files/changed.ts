import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** A condition of a write does not hold. @param etag of the file that is there; null when there is none */
export function fileChanged(path: string, etag: string | null): CodedError {
  const now = etag === null ? 'there is no such file' : `its etag is ${etag}`;
  return new CodedError('file_changed', `The file "${path}" is not the one that the condition names; ${now}`, { etag });
}
