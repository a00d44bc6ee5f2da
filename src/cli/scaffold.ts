export interface ScaffoldOptions {
  readonly language: 'ts' | 'js';
  /** Address of a host; editors fetch the manifest's schema there. */
  readonly host: string;
}

/** The files of a new plugin: path in its folder -> content. */
export function scaffold(name: string, { language, host }: ScaffoldOptions): Record<string, string> {
  const main = `index.${language}`;
  return {
    'manifest.json': json({
      $schema: `${host}/api/schemas/manifest.json`,
      name,
      version: '0.1.0',
      displayName: titleOf(name),
      description: 'Says what it does in one sentence.',
      type: 'extension',
      entrypoints: { main },
      configSchema: {
        type: 'object',
        properties: { greeting: { type: 'string', title: 'Greeting', maxLength: 100, default: 'Hello' } },
      },
      permissions: [],
    }),
    [main]: INDEX,
    'README.md': readme(name),
    'tsconfig.json': json(tsconfig(language)),
    '.gitignore': 'node_modules/\n*.tar.gz\n',
  };
}

const INDEX = `import { definePlugin } from '@streamspace/sdk';

export default definePlugin({
  onLoad({ api, config, log, storage }) {
    api.get(
      '/hello',
      async () => ({ message: \`\${config.greeting}!\`, visits: await storage.increment('visits') }),
      { auth: 'public', summary: 'Greets and counts' },
    );
    log.info('ready');
  },
});
`;

function readme(name: string): string {
  return `# ${titleOf(name)}

    curl http://localhost:3000/api/plugins/${name}/hello

| setting    | meaning                | default |
| ---------- | ---------------------- | ------- |
| \`greeting\` | what it greets with    | \`Hello\` |
`;
}

/** Exactly what the isolate has: the language, and what `@streamspace/sdk` declares (sdk-types.ts writes that). */
function tsconfig(language: 'ts' | 'js'): object {
  return {
    compilerOptions: {
      target: 'ESNext',
      module: 'Preserve',
      moduleResolution: 'bundler',
      lib: ['ESNext'],
      types: ['@streamspace/sdk'],
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      erasableSyntaxOnly: true,
      verbatimModuleSyntax: true,
      allowImportingTsExtensions: true,
      noEmit: true,
      skipLibCheck: true,
      ...(language === 'js' && { allowJs: true, checkJs: true }),
    },
    include: ['.'],
  };
}

function titleOf(name: string): string {
  const words = name.replace(/^streamspace-/, '').replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
