import { afterAll, expect, test } from 'bun:test';
import { permissionDenied } from '../../sandbox-apis/_kit/errors.ts';
import { createLog } from '../../src/log.ts';
import { createDenials } from '../../src/permissions/denials.ts';
import { createRedactor } from '../../src/secrets/redact.ts';
import { testDatabase } from '../kit/postgres.ts';
import { until } from '../kit/until.ts';

const { db, drop } = await testDatabase();
afterAll(drop);

test('a plugin that asks in a loop is written down once a minute, with how often it asked', async () => {
  const lines: string[] = [];
  let now = 0;
  const redactor = createRedactor();
  redactor.set('curious', ['sesame-open']);
  const log = createLog('warn', { write: (line) => lines.push(line) });
  const denied = createDenials({ db, log, redactor, now: () => now });
  const refuse = (permission: string) => denied({ plugin: 'curious' }, 'fetch.request', permissionDenied(permission));

  for (let asked = 0; asked < 1_000; asked += 1) refuse('network:example.com');
  refuse('network:sesame-open.example.org');
  now = 60_000;
  refuse('network:example.com');

  expect(lines).toHaveLength(3);
  const written = () => db.selectFrom('audit_log').select(['target', 'detail']).execute();
  await until(async () => (await written()).length === 3, 'three refusals are written down');
  // They are written side by side, in no order.
  const rows = (await written()).map(({ target, detail }) => [target, (detail as { alike: number }).alike]);
  expect(rows.sort()).toEqual([
    ['network:********.example.org', 0],
    ['network:example.com', 0],
    ['network:example.com', 999],
  ]);
  expect(lines.join('')).not.toContain('sesame-open');
});
