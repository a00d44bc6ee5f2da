import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { install, tryInstall } from '../kit/plugin.ts';
import { type RunningCore, startCore } from '../kit/start-core.ts';
import { until } from '../kit/until.ts';

// What authors see of an error, and what callers do not, through the real product.

setDefaultTimeout(60_000);

let core: RunningCore;

const INDEX = `import { save } from './notes.ts';

const open = { auth: 'public' } as const;
export default {
  onLoad({ api, log }) {
    api.get('/caused', async () => {
      try { await save('text'); } catch (cause) { throw new Error('not saved', { cause }); }
    }, open);
    api.get('/several', () => {
      throw new AggregateError([new RangeError('first of them'), 'a text of it'], 'both failed');
    }, open);
    api.get('/circle', () => {
      const error = new Error('round and round');
      error.cause = error;
      throw error;
    }, open);
    api.get('/logged', () => {
      log.warn('as a field', { error: new Error('of a field') });
      console.error(new Error('of the console'));
      void Promise.reject(new Error('of nobody'));
      return 'ok';
    }, open);
    api.get('/spin', () => { for (;;); }, open);
  },
};`;
const NOTES = `export async function save(text: string): Promise<void> {
  const rows: string[] = await Promise.resolve([]);
  if (rows.length === 0) throw new RangeError(\`no room for \${text}\`);
}
`;

beforeAll(async () => {
  core = await startCore();
  await install(core, {
    manifest: { name: 'notes', limits: { cpuMsPerCall: 200 } },
    'index.ts': INDEX,
    'notes.ts': NOTES,
  });
});
afterAll(async () => {
  await core?.stop();
});

const ask = (path: string, token: string | null = null) => core.api('GET', `/api/plugins/notes${path}`, { token });

/** The stack of the line in the log that has the text; nothing of ours is in it. */
async function stackOf(text: string): Promise<string> {
  const line = await core.logged('notes', text);
  expect(line).not.toMatch(/streamspace:prelude|isolated-vm|node:internal|plugin:notes|\/runtime\//);
  return (JSON.parse(line) as { fields: { stack: string } }).fields.stack;
}

test('a cause is followed; each error has the lines around its place', async () => {
  const { status, body } = await ask('/caused');
  expect(status).toBe(500);
  const stack = await stackOf(body.errorId);
  expect(stack).toStartWith('Error: not saved\n    at ');
  expect(stack).toContain(
    "    > 7 |       try { await save('text'); } catch (cause) { throw new Error('not saved', { cause }); }",
  );
  expect(stack).toMatch(/\nCaused by: RangeError: no room for text\n {4}at (async )?save \(notes\.ts:3:\d+\)\n/);
  expect(stack).toContain(`
      2 |   const rows: string[] = await Promise.resolve([]);
    > 3 |   if (rows.length === 0) throw new RangeError(\`no room for \${text}\`);
        |                                ^
      4 | }`);
});

test('an AggregateError shows what it is made of; a circle of causes ends', async () => {
  const several = await stackOf((await ask('/several')).body.errorId);
  expect(several).toContain('\nOne of its errors [0]: RangeError: first of them\n');
  expect(several).toContain('\nOne of its errors [1]: a text of it');
  const circle = await stackOf((await ask('/circle')).body.errorId);
  expect(circle.split('Caused by: Error: round and round')).toHaveLength(4);
});

test('callers see neither stack nor source, whoever they are', async () => {
  const user = await core.signUp('caller@example.com');
  for (const token of [null, user, core.token]) {
    const { body } = await ask('/caused', token);
    expect(Object.keys(body).sort()).toEqual(['code', 'detail', 'errorId', 'instance', 'status', 'title', 'type']);
    expect(JSON.stringify(body)).not.toMatch(/notes\.ts|index\.ts|not saved|no room/);
  }
});

test('errors in lines of the log are in the author’s files: fields, console, rejections', async () => {
  expect((await ask('/logged')).status).toBe(200);
  for (const [text, place] of [
    ['"message":"as a field"', "> 18 |       log.warn('as a field'"],
    ['"message":"Error: of the console', "> 19 |       console.error(new Error('of the console'))"],
    ['Uncaught (in promise) Error: of nobody', "> 20 |       void Promise.reject(new Error('of nobody'))"],
  ] as const) {
    const line = await core.logged('notes', text);
    expect(line).toContain(place);
    expect(line).not.toMatch(/plugin:notes:|streamspace:prelude/);
  }
});

test('a package that does not load is refused with the excerpt', async () => {
  const broken = {
    manifest: { name: 'broken' },
    'index.ts': 'const table = null as any;\ntable.read();\nexport default {};',
  };
  const { status, body } = await tryInstall(core, broken);
  expect([status, body.code]).toEqual([422, 'plugin_load_failed']);
  expect(body.stack).toContain('\n    > 2 | table.read();\n        |       ^');
});

test('a post-mortem has it too', async () => {
  expect((await ask('/spin')).status).toBe(504);
  const { id } = await until(
    async () => (await core.api('GET', '/api/plugins/notes/post-mortems')).body.items[0],
    'there is a post-mortem',
  );
  const { body } = await core.api('GET', `/api/plugins/notes/post-mortems/${id}`);
  expect(body.stack).toContain("> 23 |     api.get('/spin', () => { for (;;); }, open);");
});
