import { expect, test } from 'bun:test';
import pg from 'pg';
import { clientConfig } from '../../src/databases/address.ts';

const LOGIN = { role: 'ss_1_00000000000000aa', password: 'pa:ss@/word', database: 'ss_1_00000000000000bb' };

test.each([
  ['postgres://core:secret@db.example:6432/main', 'db.example', 6432],
  ['postgres://core:secret@db.example/main?sslmode=disable&options=-c%20search_path%3Dx', 'db.example', 5432],
  ['postgres://core:secret@localhost:5433/main?host=%2Fvar%2Frun', '/var/run', 5433],
  ['postgres:///main?host=/var/run&user=core&password=secret', '/var/run', 5432],
  ['postgresql://core@db.example/main?user=other&password=secret', 'db.example', 5432],
])('of %s only the server stays', (url, host, port) => {
  const client = new pg.Client(clientConfig({ url }, LOGIN));
  expect([client.user, client.password, client.database]).toEqual([LOGIN.role, LOGIN.password, LOGIN.database]);
  expect([client.host, client.port]).toEqual([host, port]);
  expect(JSON.stringify(clientConfig({ url }, LOGIN))).not.toContain('secret');
});

test('certificates stay, too', () => {
  const url = 'postgres://core:secret@db.example/main?sslmode=no-verify';
  expect<unknown>(new pg.Client(clientConfig({ url }, LOGIN)).ssl).toEqual({ rejectUnauthorized: false });
});

test('a URL in which nobody else can be named is an error, never a login of the core', () => {
  expect(() => clientConfig({ url: 'socket:/var/run?db=main&user=core' }, LOGIN)).toThrow('DATABASE_URL');
});

test('a session starts with what the core says', () => {
  const { options } = clientConfig({ url: 'postgres://core@db.example/main' }, LOGIN);
  for (const setting of ['search_path=plugin', 'TimeZone=UTC', 'DateStyle=ISO,MDY', 'IntervalStyle=iso_8601']) {
    expect(options).toContain(`-c ${setting}`);
  }
});
