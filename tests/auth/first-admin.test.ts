import { expect, test } from 'bun:test';
import { ensureFirstAdmin } from '../../src/auth/first-admin.ts';
import { publish } from '../../src/events/publish.ts';
import { createLog } from '../../src/log.ts';
import { testDatabase } from '../kit/postgres.ts';

const log = createLog('silent');
const config = { adminEmail: 'Admin@localhost', adminPassword: null };

test('of two replicas that start together one makes the admin, and only it tells the password', async () => {
  const { db, drop } = await testDatabase();
  try {
    const start = () => ensureFirstAdmin({ db, config, log, publish });
    const made = await Promise.all([start(), start()]);
    const passwords = made.flatMap(({ password }) => password ?? []);
    expect(passwords).toHaveLength(1);
    expect(passwords[0]).toMatch(/^[A-Za-z0-9_-]{24}$/);
    const users = await db.selectFrom('users').selectAll().execute();
    expect(users).toHaveLength(1);
    expect(users[0]).toMatchObject({ email: 'admin@localhost', role: 'admin', active: true });
    expect(await Bun.password.verify(passwords[0] ?? '', users[0]?.password_hash ?? '')).toBeTrue();
    expect(await start()).toEqual({ email: 'admin@localhost', password: null });
    expect(await db.selectFrom('events').select('name').execute()).toEqual([{ name: 'user.created' }]);
  } finally {
    await drop();
  }
});

test('a password from the environment is used and not told', async () => {
  const { db, drop } = await testDatabase();
  try {
    const given = { ...config, adminPassword: 'from the environment' };
    expect(await ensureFirstAdmin({ db, config: given, log, publish })).toMatchObject({ password: null });
    const { password_hash } = await db.selectFrom('users').select('password_hash').executeTakeFirstOrThrow();
    expect(password_hash).toStartWith('$argon2id$v=19$m=19456,t=2,p=1$');
    expect(await Bun.password.verify('from the environment', password_hash ?? '')).toBeTrue();
  } finally {
    await drop();
  }
});
