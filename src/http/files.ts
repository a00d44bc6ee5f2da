import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Files } from '../files/files.ts';
import { FILES_PATH, type FileUrls } from '../files/urls.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { demandAwake } from '../permissions/resting.ts';
import type { Switches } from '../permissions/switches.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import { answerFile } from './files-answer.ts';
import { problemResponse } from './problem.ts';

export interface FileLinksDeps {
  readonly files: Pick<Files, 'get'>;
  readonly urls: Pick<FileUrls, 'verify'>;
  readonly lifecycle: Pick<Lifecycle, 'get'>;
  /** An admin may have cut a plugin's `files`: its links rest. */
  readonly switches: Pick<Switches, 'isOff'>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'http'>;
}

export interface FileLinks {
  /** The answer to a link that a plugin has signed; null for any other address. */
  handle(request: Request): Promise<Response> | null;
}

const ROUTE = `${FILES_PATH}:token`;

/**
 * Answers `GET|HEAD /files/<token>`, for anybody. It stands before the core's own router, which would read a file to its end
 * to tell its length to HEAD.
 */
export function createFileLinks({ files, urls, lifecycle, switches, log, metrics }: FileLinksDeps): FileLinks {
  return {
    handle(request) {
      const { url } = request;
      const path = url.indexOf('/', url.indexOf('://') + 3);
      return url.startsWith(FILES_PATH, path) ? answer(request) : null;
    },
  };

  async function answer(request: Request): Promise<Response> {
    const started = performance.now();
    const { pathname } = new URL(request.url);
    const response = await find(request, pathname.slice(FILES_PATH.length)).catch((error: unknown) =>
      toProblem(error, pathname),
    );
    metrics.http.observe(request.method, ROUTE, response.status, (performance.now() - started) / 1_000);
    return response;
  }

  async function find({ method, headers }: Request, token: string): Promise<Response> {
    const link = urls.verify(token);
    if (link === null) throw new CodedError('forbidden', 'The link was not made here, or was changed');
    if (method !== 'GET' && method !== 'HEAD') {
      throw new CodedError('method_not_allowed', 'A link is there to be read', { allow: ['GET', 'HEAD'] });
    }
    if (link.expires * 1_000 <= Date.now()) throw new CodedError('forbidden', 'The link has expired');
    const row = lifecycle.get(link.plugin)?.row;
    const isThere = row?.id === link.installation && row.enabled && row.grants.includes('files');
    if (isThere) demandAwake(switches, link.plugin, 'files');
    const { plugin, path, download } = link;
    const found = isThere ? await answerFile(files, plugin, path, { method, headers, download }) : null;
    if (found === null) throw new CodedError('not_found', 'The file of this link, or its plugin, is no more');
    return found;
  }

  function toProblem(error: unknown, path: string): Response {
    if (error instanceof CodedError) {
      const response = problemResponse(error, path);
      const { size } = error.extra;
      if (error.code === 'range_not_satisfiable') response.headers.set('content-range', `bytes */${size}`);
      return response;
    }
    const errorId = crypto.randomUUID();
    log.error({ err: error, errorId }, 'a file was not served');
    return problemResponse(new CodedError('internal', undefined, { errorId }), path);
  }
}
