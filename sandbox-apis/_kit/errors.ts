/**
 * The one registry of error codes: REST answers (RFC 9457 `code`), refusals that a guest sees, and what the docs list.
 * A code is stable; its title may be reworded. `docs/errors.md` is generated from here (a test keeps them equal).
 */
export interface ErrorSpec {
  /** HTTP status that goes with the code. */
  readonly status: number;
  /** One line, the same for each occurrence. */
  readonly title: string;
  /** What the reader can do about it. */
  readonly help: string;
}

const spec = (status: number, title: string, help: string): ErrorSpec => ({ status, title, help });

export const ERRORS = {
  // Requests
  bad_request: spec(400, 'The request is not well formed', 'Compare the request with the OpenAPI document.'),
  validation_failed: spec(422, 'Some values are not valid', 'Read `errors`: each has a JSON pointer and a reason.'),
  unauthenticated: spec(401, 'Sign in first', 'Send `Authorization: Bearer <token>` or the session cookie.'),
  invalid_credentials: spec(
    401,
    'Wrong email or password',
    'Check both; after several failures wait for `Retry-After`.',
  ),
  forbidden: spec(403, 'Your account lacks a permission', 'Ask an admin for the permission that `permission` names.'),
  csrf_failed: spec(403, 'Cross-site request refused', 'Send the `X-CSRF-Token` header, from the same origin.'),
  not_found: spec(404, 'There is nothing here', 'Check the address and the id.'),
  method_not_allowed: spec(405, 'That method is not answered here', 'See the `Allow` header.'),
  conflict: spec(409, 'It collides with what exists', 'Read `detail`; choose another name or fetch the new state.'),
  payload_too_large: spec(413, 'The body is too large', 'Send less; `limit` gives the number of bytes allowed.'),
  unsupported_media_type: spec(
    415,
    'That content type is not taken here',
    'See the OpenAPI document for the accepted types.',
  ),
  rate_limited: spec(429, 'Too many requests', 'Wait for the seconds in `Retry-After`.'),
  internal: spec(500, 'Something failed inside the core', 'Give the `errorId` to the operator: it is in the log.'),
  not_implemented: spec(501, 'No plugin provides this', 'Install the plugin that `plugin` names.'),
  unavailable: spec(503, 'Not available at the moment', 'Try again after the seconds in `Retry-After`.'),
  // Plugins: lifecycle
  consent_required: spec(
    409,
    'The plugin asks for permissions that are not granted',
    'Send `grants` with the listed permissions.',
  ),
  plugin_not_found: spec(404, 'No plugin of that name', 'List the plugins with `GET /api/plugins`.'),
  plugin_disabled: spec(404, 'The plugin is not enabled', 'Enable it with `POST /api/plugins/:id/enable`.'),
  plugin_busy: spec(409, 'Another change to the plugin is under way', 'Try again when it has finished.'),
  plugin_load_failed: spec(422, 'The plugin did not load', 'Read `detail` and the plugin log: it names file and line.'),
  plugin_unavailable: spec(503, 'The plugin is being restarted', 'Try again after the seconds in `Retry-After`.'),
  plugin_quarantined: spec(
    503,
    'The plugin was quarantined by the host',
    'An admin can read the reason and release it.',
  ),
  plugin_deadline: spec(
    504,
    'The plugin did not answer within its deadline',
    'The author should do less per call, or ask for a higher limit.',
  ),
  plugin_error: spec(500, 'The plugin failed', 'Give the `errorId` to the admin: it is in the plugin log.'),
  plugin_bad_answer: spec(
    502,
    'The plugin gave an answer that is not valid',
    'Read the plugin log: it says what was wrong.',
  ),
  capability_off: spec(
    503,
    'An admin switched this capability of the plugin off',
    'An admin can switch it on again: `PUT /api/plugins/:id/switches/:capability`.',
  ),
  inspector_off: spec(
    403,
    'The operator forbids to look into plugins while they run',
    'The host was started with STREAMSPACE_INSPECTOR=off.',
  ),
  inspector_busy: spec(
    409,
    'The plugin is inspected or measured already',
    'One session at a time: close the other one (DevTools, a profile, a heap snapshot).',
  ),
  confinement_required: spec(
    409,
    'Plugins from outside are not run in a process that is not confined',
    '`detail` says what it can reach; run `streamspace doctor` on the machine.',
  ),
  // Packages
  package_invalid: spec(
    422,
    'The package cannot be read',
    'Read `detail`; pack it anew with `streamspace plugin pack`.',
  ),
  package_too_large: spec(
    413,
    'The package is over a limit',
    '`detail` names the limit; leave out what is not needed.',
  ),
  manifest_invalid: spec(422, 'manifest.json is not valid', 'Read `errors`: each has a JSON pointer and a reason.'),
  bundle_failed: spec(422, 'The source cannot be bundled', 'Read `detail`: it names the file and line.'),
  // Guest calls
  permission_denied: spec(
    403,
    'The plugin lacks a permission',
    'List it under `permissions` in the manifest and have it granted.',
  ),
  invalid_input: spec(422, 'An argument is not valid', 'The message names the argument and what it should be.'),
  quota_exceeded: spec(
    429,
    'A limit of the plugin is used up',
    '`limit` names it, `max` is it, `resetsAt` is when it is free again.',
  ),
  deadline_exceeded: spec(504, 'The call took longer than its deadline', 'Try again, or do less in one call.'),
  aborted: spec(499, 'The call was cancelled', 'Its caller went away or its signal was aborted.'),
  too_deep: spec(508, 'Plugins call each other too deep', 'Break the circle: a call may pass through 4 plugins.'),
  version_conflict: spec(409, 'The value has changed since it was read', 'Read it again and repeat the change.'),
  file_changed: spec(412, 'The file is not the one that the condition names', 'Read it again and repeat the change.'),
  file_corrupted: spec(
    500,
    'What is stored of the file is damaged',
    'Put the file again, or restore it from a backup; `errorId` is in the log of the operator.',
  ),
  range_not_satisfiable: spec(416, 'Nothing of that range is in the file', '`size` is how many bytes it has.'),
  service_unavailable: spec(
    503,
    'The plugin that provides this service is not there',
    '`plugin` names it; an admin can install or enable it, or the operator chooses another.',
  ),
  service_failed: spec(
    502,
    'The plugin that provides this service failed',
    '`plugin` names it; its log has the details under the `errorId`.',
  ),
  network_blocked: spec(
    403,
    'The address is not reachable from plugins',
    'Private addresses have to be named in the permission.',
  ),
  network_failed: spec(
    502,
    'The request to the network failed',
    'The message gives the reason; try again if it may pass.',
  ),
  method_not_exposed: spec(
    404,
    'The other plugin does not expose that method',
    'See what it passes to `plugins.expose`.',
  ),
  registration_conflict: spec(
    409,
    'Something is registered under that name already',
    'Remove the other one or choose another name.',
  ),
  database_error: spec(
    422,
    'The database refused the statement',
    '`sqlstate` is the code of Postgres; `detail`, `hint`, `constraint` and `position` say more where there is more.',
  ),
  database_unavailable: spec(
    503,
    'The database of the plugin is not reachable at the moment',
    'Try again in a moment; a transaction that was open has been rolled back.',
  ),
  database_result_too_large: spec(
    413,
    'The rows are more than one answer may hold',
    'Read them with `database.stream`, or page by page with `limit`.',
  ),
  transaction_over: spec(
    409,
    'The transaction has ended',
    'Await everything inside the callback, and use `tx` only there; a longer one needs a higher `timeoutMs`.',
  ),
  migration_changed: spec(
    409,
    'A migration that ran has another text now',
    'Put its old text back, and write the change as a new file of `migrations/`.',
  ),
  migration_failed: spec(
    422,
    'A migration of the plugin failed',
    '`detail` names the file and what Postgres said; nothing was changed.',
  ),
  restore_point_not_found: spec(
    404,
    'No such restore point is kept',
    'List them with `GET /api/plugins/:id/restore-points`; the oldest go by count and age.',
  ),
  rollback_impossible: spec(
    409,
    'The code of that version cannot be brought back',
    '`detail` says where it has to come from; nothing was changed.',
  ),
  secrets_unreadable: spec(
    500,
    'A stored secret cannot be opened',
    'Start the core with the STREAMSPACE_SECRET_KEY that sealed it, or enter the secret again.',
  ),
  unknown_call: spec(404, 'There is no such call', 'The SDK and the host are of different versions; update one.'),
  // Backups
  backup_busy: spec(409, 'Another backup or restore is under way', 'Wait until it has ended.'),
  backup_damaged: spec(
    422,
    'The backup is not what was written',
    'It was cut off or changed: take another one, or copy it again. `streamspace backup verify` checks a file.',
  ),
  backup_incompatible: spec(
    422,
    'The backup does not fit this program or this database',
    '`detail` says what differs; a newer program reads the backups of older ones.',
  ),
  backup_unsupported: spec(
    409,
    'A plugin has something in its database that a backup cannot hold',
    '`detail` names it; remove it, or leave the plugin out with `without`.',
  ),
  backup_failed: spec(500, 'The backup could not be made', 'Read `detail`; what there is of the file is of no use.'),
  backup_key_differs: spec(
    409,
    'The secrets in the backup were sealed with another key',
    'Start with that key (STREAMSPACE_SECRET_KEY or DATA_DIR/secret.key), or restore without secrets and enter them again.',
  ),
  restore_failed: spec(422, 'The backup could not be restored', 'Read `detail`; nothing has changed.'),
  restore_not_empty: spec(
    409,
    'There is something already where the backup is to go',
    'Restore into an empty data folder, or say --replace to lose what is there.',
  ),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

/** One thing that is wrong with a value: where (JSON pointer, RFC 6901) and why. */
export interface Issue {
  readonly pointer: string;
  readonly message: string;
}

/** An error with a code of the registry; the only kind that crosses to a guest or a REST client with its message. */
export class CodedError extends Error {
  readonly code: ErrorCode;
  /** Members that are added to the problem document or the guest's error, such as `permission` or `errors`. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string = ERRORS[code].title, extra: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'CodedError';
    this.code = code;
    this.extra = extra;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The refusal of the gate: names the permission that is missing. */
export function permissionDenied(permission: string): CodedError {
  return new CodedError('permission_denied', `Permission "${permission}" is not granted`, { permission });
}

/**
 * The refusal of the gate while an admin has a capability switched off.
 *
 * @param permission what the call needs, granted or not; null when it needs none
 */
export function capabilityOff(capability: string, permission: string | null): CodedError {
  const what = permission === null ? '' : `Permission "${permission}" is of no use now: `;
  const message = `${what}an admin switched "${capability}" off for this plugin`;
  return new CodedError('permission_denied', message.charAt(0).toUpperCase() + message.slice(1), {
    permission: permission ?? capability,
    capability,
  });
}
