import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { PATTERN_SOURCE } from '../../sandbox-apis/events/patterns.ts';
import { limitsSchema } from '../quotas/limits-schema.ts';

/** Plugin names: the first segment of URLs, of event names and of database names. */
export const NAME_PATTERN = '^[a-z][a-z0-9-]{2,62}$';
const SEMVER_RANGE = 'a semver range, such as ^1.2.0';
/** A path inside the package: what exactly is allowed in it was checked when the package was read. */
const PATH_PATTERN = '^(?:\\./)*(?!/)(?!(?:.*/)?\\.{1,2}(?:/|$))[^\\\\:]+$';

const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description });
/** Text that an author may leave empty. */
const note = (maxLength: number, description: string) => Type.String({ maxLength, description });
const url = (description: string) =>
  Type.String({ pattern: '^https?://[^\\s<>"\']+$', maxLength: 2_048, description, hint: 'an http or https URL' });
const packagePath = (description: string) =>
  Type.String({ pattern: PATH_PATTERN, maxLength: 500, description, hint: 'a path inside the package' });
const image = (description: string) =>
  Type.String({
    pattern: '^(?:https://[^\\s<>"\']+|(?!/)[^\\\\:]+)$',
    maxLength: 2_048,
    description,
    hint: 'a path inside the package or an https URL',
  });
const list = <T extends TSchema>(item: T, maxItems: number, description: string) =>
  Type.Array(item, { maxItems, uniqueItems: true, description });
const words = <const T extends string>(values: readonly T[], description: string) =>
  Type.Union(
    values.map((value) => Type.Literal(value)),
    { description, hint: `one of ${values.join(', ')}` },
  );
const closed = <T extends Record<string, TSchema>>(properties: T, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });
const optional = Type.Optional;

const permission = text(300, 'What the plugin may do, such as storage of files or requests to a host');
const ranges = (description: string) =>
  Type.Record(Type.String({ pattern: NAME_PATTERN }), text(200, SEMVER_RANGE), {
    additionalProperties: false,
    maxProperties: 64,
    description,
  });

const uiItem = {
  title: text(80, 'What the user reads'),
  path: optional(Type.String({ pattern: '^/[A-Za-z0-9/_:.-]*$', maxLength: 200, description: 'Where it is shown' })),
  component: optional(text(200, 'The file under ui/, or the name that it exports')),
  icon: optional(text(200, 'A file of the package or the name of an icon')),
  permissions: optional(list(text(100, 'A permission of the user'), 20, 'Who may see it')),
};
const page = closed(uiItem, 'A page');
const widget = closed(
  { ...uiItem, width: optional(words(['quarter', 'half', 'full'], 'Share of the row')) },
  'A widget of a dashboard',
);
const menuItem = closed(
  {
    ...uiItem,
    position: optional(words(['top', 'main', 'side'], 'Which menu')),
    order: optional(Type.Integer({ minimum: -1_000, maximum: 1_000, description: 'Lower stands first' })),
  },
  'An entry of a menu',
);

const job = closed(
  {
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.:-]*$', maxLength: 64, description: 'Unique in the plugin' }),
    cron: text(120, 'Five or six fields, or an alias such as @daily'),
    timezone: optional(text(64, 'IANA name; UTC when absent')),
    handler: optional(
      Type.String({
        pattern: '^[A-Za-z_$][A-Za-z0-9_$]*$',
        maxLength: 64,
        description: 'The method of the plugin; the name of the job when absent',
      }),
    ),
    overlap: optional(words(['skip', 'queue', 'allow'], 'What happens when it is due while it still runs')),
    catchUp: optional(Type.Boolean({ description: 'Whether a run that was missed is made up for' })),
  },
  'A job on a schedule',
);

const service = Type.String({
  pattern: '^[a-z][a-z0-9-]{1,62}$',
  maxLength: 63,
  description: 'A service of the platform, such as storage-backend or auth-provider',
});

/** manifest.json as an author writes it (SPEC 1.1). What the schema cannot say is checked in `manifest-rules.ts`. */
export const manifestSchema = closed(
  {
    $schema: optional(text(500, 'The address of this schema, for editors')),
    name: Type.String({
      pattern: NAME_PATTERN,
      description: 'Unique name; lower case, 3 to 63 characters',
      hint: 'lower-case letters, digits and dashes, 3 to 63 of them, a letter first',
    }),
    version: text(64, 'Version (semver 2.0)'),
    displayName: optional(text(80, 'Name that people read; the name when absent')),
    description: optional(note(1_000, 'One or two sentences about what it does')),
    author: optional(note(200, 'Who wrote it')),
    license: optional(note(100, 'SPDX identifier')),
    homepage: optional(url('Home page')),
    repository: optional(url('Source repository')),
    icon: optional(image('Icon: SVG or PNG')),
    screenshots: optional(list(image('Screenshot'), 16, 'Screenshots')),
    type: optional(words(['extension', 'webhook', 'integration', 'system', 'theme'], 'Kind of plugin')),
    category: optional(note(64, 'Category in the catalog')),
    tags: optional(list(text(40, 'Tag'), 32, 'Words to find it by')),
    engines: optional(
      closed({ streamspace: optional(text(200, SEMVER_RANGE)) }, 'Versions of the platform it works with'),
    ),
    entrypoints: optional(
      closed(
        {
          main: optional(packagePath('The server code; index.ts, .tsx, .js, .mjs or .cjs when absent')),
          ui: optional(packagePath('The code of its pages and widgets')),
        },
        'Where its code begins',
      ),
    ),
    configSchema: optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'JSON Schema of the configuration, or a map of fields with `required: true`',
      }),
    ),
    defaultConfig: optional(Type.Record(Type.String(), Type.Unknown(), { description: 'Configuration to begin with' })),
    permissions: optional(list(permission, 64, 'What it needs to work at all')),
    optionalPermissions: optional(list(permission, 64, 'What it can use and does without')),
    dependencies: optional(ranges('Plugins that it needs, with their versions')),
    optionalDependencies: optional(ranges('Plugins that it can use, with their versions')),
    routePrefix: optional(
      Type.String({
        pattern: '^[a-z][a-z0-9-]{1,62}$',
        maxLength: 63,
        description: 'Short alias of the name in URLs',
        hint: 'lower-case letters, digits and dashes',
      }),
    ),
    overrides: optional(
      list(
        Type.String({
          pattern: '^(?:(?:GET|POST|PUT|PATCH|DELETE) )?/api/[A-Za-z0-9/_:*.-]+$',
          maxLength: 300,
          description: 'A core route, with or without its method',
          hint: 'a core route, such as "GET /api/compliance/frameworks"',
        }),
        64,
        'Core stub routes that it replaces; needs the permission overrides',
      ),
    ),
    events: optional(
      list(
        Type.String({
          pattern: `^${PATTERN_SOURCE}$`,
          maxLength: 200,
          description: 'An event name or a pattern',
          hint: 'an event name, or a pattern such as session.*',
        }),
        100,
        'Events that it subscribes to',
      ),
    ),
    jobs: optional(Type.Array(job, { maxItems: 50, description: 'Jobs on a schedule' })),
    ui: optional(
      closed(
        {
          pages: optional(Type.Array(page, { maxItems: 50, description: 'Pages for users' })),
          adminPages: optional(Type.Array(page, { maxItems: 50, description: 'Pages for admins' })),
          widgets: optional(Type.Array(widget, { maxItems: 50, description: 'Widgets for users' })),
          adminWidgets: optional(Type.Array(widget, { maxItems: 50, description: 'Widgets for admins' })),
          menu: optional(Type.Array(menuItem, { maxItems: 50, description: 'Menu entries' })),
        },
        'What it adds to the user interface',
      ),
    ),
    services: optional(
      closed(
        {
          provides: optional(list(service, 16, 'What it provides')),
          needs: optional(list(service, 16, 'What it needs')),
        },
        'What it provides to, or needs from, the platform',
      ),
    ),
    limits: optional(limitsSchema),
  },
  'The facts of a StreamSpace plugin',
);

/** manifest.json as it is written. */
export type RawManifest = Static<typeof manifestSchema>;
