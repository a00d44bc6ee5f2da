import { describe, expect, test } from 'bun:test';
import { connectContract } from '../../sandbox-apis/connect/contract.ts';
import { allows, parseTarget, permissionFor, describe as say } from '../../sandbox-apis/connect/permission.ts';

test.each([
  ['smtp.example.com', 587, 'network:tcp:smtp.example.com:587'],
  ['SMTP.Example.COM.', 25, 'network:tcp:smtp.example.com:25'],
  ['münchen.example', 25, 'network:tcp:xn--mnchen-3ya.example:25'],
  ['2130706433', 25, 'network:tcp:127.0.0.1:25'],
  ['0x7f.1', 25, 'network:tcp:127.0.0.1:25'],
  ['::1', 5432, 'network:tcp:[::1]:5432'],
  ['[0:0::0:1]', 5432, 'network:tcp:[::1]:5432'],
  ['::ffff:10.0.0.5', 5432, 'network:tcp:10.0.0.5:5432'],
  ['my_service', 6379, 'network:tcp:my_service:6379'],
])('%s, port %d -> %s', (hostname, port, needed) => {
  const { host } = parseTarget(hostname, port);
  expect(permissionFor(host, port)).toBe(needed);
});

describe('allows', () => {
  const table: readonly [granted: string, needed: string, allowed: boolean][] = [
    ['network:tcp:example.com:25', 'network:tcp:example.com:25', true],
    ['network:tcp:example.com:25', 'network:tcp:example.com:587', false],
    ['network:tcp:example.com:25', 'network:tcp:example.com:250', false],
    ['network:tcp:example.com:25', 'network:tcp:mail.example.com:25', false],
    ['network:tcp:example.com:25', 'network:tcp:example.com.evil.org:25', false],
    ['network:tcp:*.example.com:25', 'network:tcp:mail.example.com:25', true],
    ['network:tcp:*.example.com:25', 'network:tcp:a.b.example.com:25', true],
    ['network:tcp:*.example.com:25', 'network:tcp:example.com:25', false],
    ['network:tcp:*.example.com:25', 'network:tcp:notexample.com:25', false],
    ['network:tcp:*.example.com:25', 'network:tcp:mail.example.com:26', false],
    ['network:tcp:[::1]:25', 'network:tcp:[::1]:25', true],
    ['network:tcp:10.0.0.5:25', 'network:tcp:10.0.0.55:25', false],
    // Those of fetch, and what is no permission
    ['network', 'network:tcp:example.com:25', false],
    ['network:example.com:25', 'network:tcp:example.com:25', false],
    ['network:tcp:25', 'network:tcp:tcp:25', false],
    ['network:tcp:example.com', 'network:tcp:example.com:25', false],
    ['network:tcp:example.com:*', 'network:tcp:example.com:25', false],
    ['network:tcp:*:25', 'network:tcp:example.com:25', false],
    ['network:tcp:*.com:25', 'network:tcp:*.com:25', false],
    ['network:tcp:Example.com:25', 'network:tcp:example.com:25', false],
  ];
  test.each(table)('%s | %s -> %p', (granted, needed, allowed) => {
    expect(allows(granted, needed)).toBe(allowed);
  });
});

describe('what a manifest may name', () => {
  const known = (permission: string) =>
    connectContract.permissions.some(({ pattern }) => new RegExp(`^(?:${pattern})$`).test(permission));
  test.each([
    'network:tcp:smtp.example.com:587',
    'network:tcp:*.example.com:25',
    'network:tcp:10.0.0.5:5432',
    'network:tcp:[fd00::1]:5432',
    'network:tcp:localhost:5432',
  ])('%s', (permission) => expect(known(permission)).toBe(true));
  test.each([
    'network:tcp:smtp.example.com',
    'network:tcp:smtp.example.com:*',
    'network:tcp:smtp.example.com:0',
    'network:tcp:*:25',
    'network:tcp:*.com:25',
    'network:tcp:Smtp.example.com:25',
    'network:tcp:2130706433:25',
    'network:tcp:::1:25',
    'network:tcp:a:25\n',
    'network:tcp',
  ])('not %p', (permission) => expect(known(permission)).toBe(false));
});

test('the admin reads where to, and whether it is inside', () => {
  expect(say('network:tcp:smtp.example.com:587')).toBe(
    'Open TCP connections, and say anything over them, to smtp.example.com on port 587',
  );
  expect(say('network:tcp:*.example.com:25')).toContain('to every subdomain of example.com on port 25');
  expect(say('network:tcp:[fd00::1]:5432')).toEndWith(
    'to fd00::1 on port 5432, which is not on the internet but on this machine or network',
  );
});
