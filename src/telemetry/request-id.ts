import { runInScope } from './scope.ts';

/** What others may call a request: harmless in logs and headers. */
const ACCEPTED = /^[A-Za-z0-9._~:/+=-]{1,128}$/;

/** The id that a proxy in front gave the request (`X-Request-Id`), or a new one. */
export function requestIdOf(request: Request): string {
  const given = request.headers.get('x-request-id');
  return given !== null && ACCEPTED.test(given) ? given : Bun.randomUUIDv7();
}

/** Runs what answers a request under its id, which log lines and the answer's `X-Request-Id` carry. */
export async function withRequestId(request: Request, answer: () => Response | Promise<Response>): Promise<Response> {
  const requestId = requestIdOf(request);
  return nameAnswer(await runInScope(requestId, null, answer), requestId);
}

/** Puts the id on the answer, unless that has one. */
export function nameAnswer(response: Response, requestId: string): Response {
  if (!response.headers.has('x-request-id')) response.headers.set('x-request-id', requestId);
  return response;
}
