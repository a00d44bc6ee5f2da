/** Source of the generated plugin: what such plugins consist of, at their usual size. Not clever, on purpose. */

export const README = `# A plugin of the bench

It has the size of an ordinary plugin, subscribes to events, keeps counters, and answers the endpoints that are measured.
`;

/** The entry: the measured endpoints, under all the checks that an endpoint can have, and what each feature adds. */
export function indexSource(name: string, permission: string, features: readonly string[]): string {
  return `import { definePlugin } from '@streamspace/sdk';
import { EDITION } from './edition.ts';
import { greet, priced } from './handlers.ts';
${features.map((feature) => `import * as ${feature} from './${feature}.ts';`).join('\n')}

const guarded = {
  auth: 'user',
  permissions: ['${permission}'],
  rateLimit: { max: 1_000_000, window: '1s' },
} as const;
const features = [${features.join(', ')}];

export default definePlugin({
  onLoad({ api, events, log, scheduler, storage }) {
    api.get('/small', () => greet('${name}'), guarded);
    api.post('/order', async (request) => priced(await request.json()), guarded);
    api.get('/open', () => greet('${name}'), { auth: 'public' });
    api.get('/edition', () => ({ edition: EDITION }), { auth: 'public' });
    for (const { path, describe, validate } of features) {
      api.get(\`/\${path}/:id\`, async (_request, ctx) => describe(await storage.get(\`\${path}:\${ctx.params.id}\`)));
      api.put(\`/\${path}/:id\`, async (request, ctx) => {
        const value = await request.json();
        const problems = validate(value);
        if (problems.length > 0) return ctx.json({ problems }, 422);
        await storage.set(\`\${path}:\${ctx.params.id}\`, value);
        return ctx.json({ ok: true }, 201);
      });
    }
    events.on('session.*', async (_data, event) => {
      await storage.increment(\`count:\${event.name}\`);
    });
    scheduler.schedule('17 3 * * *', async () => log.info('nightly'), { name: 'nightly' });
    log.info('loaded', { features: features.length });
  },
});
`;
}

/** A module as plugins have several of: limits, a table, validation, text for people. */
export function featureSource(plugin: string, index: number): string {
  const rows = Array.from({ length: 12 }, (_, row) => {
    const level = ['low', 'normal', 'high', 'urgent'][(row + index) % 4];
    return `  { code: '${plugin}-${index}-${row}', level: '${level}', weight: ${(row * 17 + index) % 101}, label: 'Rule ${row} of part ${index}' },`;
  });
  return `/** Part ${index} of ${plugin}: keeps records, checks what comes in, and says what is there. */
export const path = 'part-${index}';

const LIMITS = { nameLength: ${60 + index}, notes: 20, amount: 1_000_000 };

const RULES = [
${rows.join('\n')}
];

interface Record${index} {
  name: string;
  amount: number;
  level: string;
  notes?: string[];
}

/** What is wrong with a record, one sentence each. */
export function validate(value: Record${index}): string[] {
  const problems: string[] = [];
  if (typeof value?.name !== 'string' || value.name.trim() === '') problems.push('The name is missing');
  else if (value.name.length > LIMITS.nameLength) problems.push(\`The name is over \${LIMITS.nameLength} characters\`);
  if (!Number.isFinite(value?.amount)) problems.push('The amount is no number');
  else if (Math.abs(value.amount) > LIMITS.amount) problems.push('The amount is too large');
  if (!RULES.some(({ level }) => level === value?.level)) problems.push(\`The level "\${value?.level}" is unknown\`);
  if ((value?.notes?.length ?? 0) > LIMITS.notes) problems.push('There are too many notes');
  return problems;
}

/** The record as people read it, with the rules that apply to it. */
export function describe(value: unknown) {
  if (value === null) return { found: false, text: 'There is nothing under this id' };
  const record = value as Record${index};
  const applied = RULES.filter(({ level, weight }) => level === record.level && weight <= record.amount);
  const score = applied.reduce((sum, { weight }) => sum + weight, 0) / Math.max(1, applied.length);
  const notes = (record.notes ?? []).map((note) => note.trim()).filter((note) => note !== '');
  return {
    found: true,
    text: \`\${record.name}: \${record.amount.toFixed(2)} (\${record.level}, score \${score.toFixed(1)})\`,
    rules: applied.map(({ code, label }) => ({ code, label })),
    notes: notes.sort((a, b) => a.localeCompare(b)),
  };
}
`;
}
