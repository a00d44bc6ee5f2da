import { Value } from '@sinclair/typebox/value';
import { Elysia, t } from 'elysia';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { authGuard } from '../auth/guard.ts';
import type { Resolver } from '../auth/resolve.ts';
import { PACKAGE_LIMITS } from '../packages/limits.ts';
import { readArchive } from '../packages/read.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import { type ViewDeps, viewPlugin } from '../plugins/view.ts';
import { actorOf, Grants } from './plugins.ts';

export interface InstallRoutesDeps extends ViewDeps {
  readonly auth: Pick<Resolver, 'authenticate'>;
  readonly lifecycle: Lifecycle;
}

/** What goes with a package, as query parameters or as fields of the form. */
interface Options {
  readonly grants: 'all' | readonly string[] | null;
  readonly config: Record<string, unknown> | null;
  readonly enable: boolean;
  readonly downgrade: boolean;
}

const GZIP_TYPES: ReadonlySet<string> = new Set([
  'application/gzip',
  'application/x-gzip',
  'application/x-tar+gzip',
  'application/octet-stream',
]);
/** Bytes of an upload: the archive, and the fields around it. */
const UPLOAD_BYTES = PACKAGE_LIMITS.archiveBytes + 1024 * 1024;

/** `POST /api/plugins/install` (SPEC 12.4): a package as `application/gzip`, or in the form field `package`. */
export function installRoutes(deps: InstallRoutesDeps) {
  const { auth, lifecycle } = deps;
  return new Elysia({ normalize: false }).use(authGuard(auth)).post(
    '/api/plugins/install',
    async ({ request, principal, set }) => {
      const { archive, options } = await readUpload(request);
      const plugin = await lifecycle.install(
        {
          pkg: await readArchive(archive),
          source: 'upload',
          folder: null,
          grants: options.grants,
          config: options.config,
          enable: options.enable,
          allowDowngrade: options.downgrade,
        },
        actorOf(principal),
      );
      set.status = 201;
      return viewPlugin(plugin, deps);
    },
    {
      auth: 'admin',
      parse: 'none',
      detail: {
        summary: 'Install a package, or a new version of an installed plugin',
        tags: ['plugins'],
        requestBody: {
          content: {
            'application/gzip': { schema: { type: 'string', format: 'binary' } },
            'multipart/form-data': {
              schema: {
                type: 'object',
                required: ['package'],
                properties: {
                  package: { type: 'string', format: 'binary' },
                  grants: { type: 'string', description: '`all`, or a JSON list of permissions' },
                  config: { type: 'string', description: 'JSON object' },
                  enable: { type: 'boolean', default: true },
                  downgrade: { type: 'boolean', default: false },
                },
              },
            },
          },
        },
      },
    },
  );
}

async function readUpload(
  request: Request,
): Promise<{ archive: Uint8Array | ReadableStream<Uint8Array>; options: Options }> {
  const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > UPLOAD_BYTES) {
    throw new CodedError('payload_too_large', `The upload is over ${UPLOAD_BYTES} bytes`, { limit: UPLOAD_BYTES });
  }
  const { searchParams } = new URL(request.url);
  if (GZIP_TYPES.has(type)) {
    if (request.body === null) throw new CodedError('bad_request', 'The body is empty; send the package');
    return { archive: request.body, options: readOptions((name) => searchParams.get(name)) };
  }
  if (type !== 'multipart/form-data') {
    throw new CodedError('unsupported_media_type', `Send application/gzip or multipart/form-data instead of "${type}"`);
  }
  const form = await request.formData().catch(() => {
    throw new CodedError('bad_request', 'The form cannot be read');
  });
  const file = form.get('package');
  if (!(file instanceof Blob)) throw new CodedError('bad_request', 'The form has no file in the field "package"');
  const field = (name: string): string | null => {
    const value = form.get(name);
    return typeof value === 'string' ? value : searchParams.get(name);
  };
  return { archive: new Uint8Array(await file.arrayBuffer()), options: readOptions(field) };
}

function readOptions(field: (name: string) => string | null): Options {
  const grants = field('grants');
  const config = field('config');
  const options = {
    grants: grants === null || grants === '' ? null : grants === 'all' ? ('all' as const) : listOf(grants),
    config: config === null || config === '' ? null : jsonOf('config', config),
    enable: booleanOf('enable', field('enable'), true),
    downgrade: booleanOf('downgrade', field('downgrade'), false),
  };
  if (options.grants !== null && !Value.Check(Grants, options.grants))
    throw invalid('/grants', '"all", or a list of permissions');
  if (options.config !== null && !Value.Check(t.Record(t.String(), t.Unknown()), options.config)) {
    throw invalid('/config', 'a JSON object');
  }
  return options as Options;
}

/** A JSON list, or names with commas between. */
function listOf(text: string): unknown {
  return text.startsWith('[') ? jsonOf('grants', text) : text.split(',').map((permission) => permission.trim());
}

function jsonOf(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(`/${name}`, 'JSON');
  }
}

function booleanOf(name: string, text: string | null, usual: boolean): boolean {
  if (text === null || text === '') return usual;
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw invalid(`/${name}`, 'true or false');
}

function invalid(pointer: string, expected: string): CodedError {
  return new CodedError('validation_failed', `${pointer.slice(1)} has to be ${expected}`, {
    errors: [{ pointer, message: `has to be ${expected}` }],
  });
}
