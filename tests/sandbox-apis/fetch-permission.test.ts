import { describe, expect, test } from 'bun:test';
import { fetchContract } from '../../sandbox-apis/fetch/contract.ts';
import { allows, mayConnect, parseTarget, permissionFor } from '../../sandbox-apis/fetch/permission.ts';

function needs(url: string): string {
  const { host, port } = parseTarget(url);
  return permissionFor(host, port);
}

describe('needs', () => {
  const same: readonly [url: string, needed: string][] = [
    ['http://example.com/', 'network:example.com:80'],
    ['https://example.com/', 'network:example.com:443'],
    ['https://EXAMPLE.com:8443/a?b#c', 'network:example.com:8443'],
    ['http://example.com./', 'network:example.com:80'],
    ['https://münchen.example/', 'network:xn--mnchen-3ya.example:443'],
    ['http://ｅxample.com/', 'network:example.com:80'],
    ['http://2130706433/', 'network:127.0.0.1:80'],
    ['http://0x7f.1/', 'network:127.0.0.1:80'],
    ['http://0177.0.0.1:81/', 'network:127.0.0.1:81'],
    ['http://127.1/', 'network:127.0.0.1:80'],
    ['http://１２７.０.０.１/', 'network:127.0.0.1:80'],
    ['http://0/', 'network:0.0.0.0:80'],
    ['http://[::1]:8080/', 'network:[::1]:8080'],
    ['http://[0:0::0:1]:8080/', 'network:[::1]:8080'],
    ['http://[::ffff:10.0.0.5]/', 'network:10.0.0.5:80'],
    ['http://localhost.:3000/', 'network:localhost:3000'],
    ['http://my_service:3000/', 'network:my_service:3000'],
  ];
  test.each(same)('%s -> %s', (url, needed) => {
    expect(needs(url)).toBe(needed);
  });

  const refused = [
    '',
    '/relative',
    'ftp://example.com/',
    'file:///etc/passwd',
    'https://user@example.com/',
    'https://user:pass@example.com/',
    'https://:pass@example.com/',
    'http://example.com@evil.com/',
    'http://a..b/',
    'http://example.com../',
    'http://-a.com/',
    'http://ex!ample.com/',
    `http://${'a'.repeat(64)}.com/`,
    `http://${'a.'.repeat(130)}com/`,
    'http://[fe80::1%25eth0]/',
    'http://example.com:25/',
    'http://example.com:0/',
  ];
  test.each(refused)('refuses %p', (url) => {
    expect(() => needs(url)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
  });
});

describe('allows', () => {
  const table: readonly [granted: string, needed: string, allowed: boolean][] = [
    // Any public host, any port
    ['network', 'network:example.com:443', true],
    ['network', 'network:example.com:8443', true],
    ['network', 'network:8.8.8.8:80', true],
    ['network', 'network:[2606:4700::1111]:443', true],
    ['network', 'network:127.0.0.1:80', false],
    ['network', 'network:10.0.0.5:80', false],
    ['network', 'network:169.254.169.254:80', false],
    ['network', 'network:[::1]:80', false],
    ['network', 'network:[fd00::1]:80', false],
    ['network', 'network:[64:ff9b::7f00:1]:80', false],
    ['network', 'network:0.0.0.0:80', false],
    ['network', 'network:localhost:80', false],
    ['network', 'network:db.localhost:80', false],
    ['network', 'network:postgres:80', false],
    ['network', 'network:intranet.corp:80', false],
    ['network', 'network:printer.home.arpa:80', false],
    ['network', 'network:metadata.google.internal:80', false],
    // An exact host: the web's two ports, or the one that it names
    ['network:example.com', 'network:example.com:443', true],
    ['network:example.com', 'network:example.com:80', true],
    ['network:example.com', 'network:example.com:8080', false],
    ['network:example.com:8080', 'network:example.com:8080', true],
    ['network:example.com:8080', 'network:example.com:80', false],
    ['network:example.com:80', 'network:example.com:8080', false],
    ['network:example.com', 'network:www.example.com:443', false],
    ['network:example.com', 'network:notexample.com:443', false],
    ['network:example.com', 'network:example.com.evil.org:443', false],
    ['network:example.com', 'network:exampleXcom:443', false],
    ['network:example.com', 'network:example.co:443', false],
    ['network:10.0.0.5', 'network:10.0.0.5:80', true],
    ['network:10.0.0.5', 'network:10.0.0.55:80', false],
    ['network:[::1]:8080', 'network:[::1]:8080', true],
    ['network:[::1]', 'network:[::1]:8080', false],
    ['network:localhost:8080', 'network:localhost:8080', true],
    ['network:localhost:8080', 'network:127.0.0.1:8080', false],
    // A wildcard: one label more at least
    ['network:*.example.com', 'network:api.example.com:443', true],
    ['network:*.example.com', 'network:a.b.example.com:80', true],
    ['network:*.example.com', 'network:api.example.com:8443', false],
    ['network:*.example.com:8443', 'network:api.example.com:8443', true],
    ['network:*.example.com:8443', 'network:api.example.com:443', false],
    ['network:*.example.com', 'network:example.com:443', false],
    ['network:*.example.com', 'network:evilexample.com:443', false],
    ['network:*.example.com', 'network:api.example.com.evil.org:443', false],
    // What is not a permission of this room, or not a need, allows nothing
    ['network:*.com', 'network:example.com.:443', false],
    ['network:*', 'network:example.com:443', false],
    ['network:*.*.com', 'network:a.b.com:443', false],
    ['network:EXAMPLE.com', 'network:example.com:443', false],
    ['network:https://example.com', 'network:example.com:443', false],
    ['network:user@example.com', 'network:example.com:443', false],
    ['network:tcp:example.com:443', 'network:example.com:443', false],
    ['network:[0:0:0:0:0:0:0:1]', 'network:[::1]:80', false],
    ['network:0x7f.1', 'network:127.0.0.1:80', false],
    ['networks', 'network:example.com:443', false],
    ['', 'network:example.com:443', false],
    ['network', 'network', false],
    ['network', 'network:example.com', false],
    ['network', 'network:*.example.com:443', false],
    ['network:*.example.com', 'network:*.example.com:443', false],
    ['network', 'storage:example.com:443', false],
  ];
  test.each(table)('%s | %s -> %p', (granted, needed, allowed) => {
    expect(allows(granted, needed)).toBe(allowed);
  });
});

describe('mayConnect: which addresses a name may lead to', () => {
  const table: readonly [grants: string[], url: string, address: string, may: boolean][] = [
    [['network'], 'http://example.com/', '93.184.216.34', true],
    [['network'], 'http://example.com/', '10.0.0.5', false],
    [['network:*.example.com'], 'http://a.example.com/', '10.0.0.5', false],
    [['network:*.corp.internal'], 'http://a.corp.internal/', '10.0.0.5', false],
    // Whoever owns a public name decides where it leads: only the address itself names the address
    [['network:example.com'], 'http://example.com/', '10.0.0.5', false],
    [['network:example.com', 'network:10.0.0.5'], 'http://example.com/', '10.0.0.5', true],
    [['network:example.com', 'network:10.0.0.5:8080'], 'http://example.com/', '10.0.0.5', false],
    [['network:10.0.0.5'], 'http://10.0.0.5/', '10.0.0.5', true],
    [['network:[::1]:8080'], 'http://[::1]:8080/', '::1', true],
    // A name that the public DNS cannot give
    [['network:localhost:8080'], 'http://localhost:8080/', '127.0.0.1', true],
    [['network:localhost:8080'], 'http://localhost:8080/', '::1', true],
    [['network:localhost:8080'], 'http://localhost:8081/', '127.0.0.1', false],
    [['network:intranet.corp:8080'], 'http://intranet.corp:8080/', '10.0.0.5', true],
    [['network:intranet.corp'], 'http://intranet.corp/', '169.254.169.254', false],
    [['network:intranet.corp'], 'http://intranet.corp/', 'fd00:ec2::254', false],
    [['network:intranet.corp'], 'http://intranet.corp/', '64:ff9b::a00:5', false],
    [['network:169.254.169.254'], 'http://169.254.169.254/', '169.254.169.254', true],
    // No host at all
    [['network:0.0.0.0', 'network:localhost'], 'http://localhost/', '0.0.0.0', false],
    [['network:0.0.0.0'], 'http://0.0.0.0/', '0.0.0.0', false],
    [['network:224.0.0.1'], 'http://224.0.0.1/', '224.0.0.1', false],
    [['network:[::]'], 'http://[::]/', '::', false],
  ];
  test.each(table)('%p %s at %s -> %p', (grants, url, address, may) => {
    expect(mayConnect(grants, parseTarget(url), address)).toBe(may);
  });
});

describe('the permission kinds', () => {
  const kindsOf = (permission: string) =>
    fetchContract.permissions.filter(({ pattern }) => new RegExp(`^(?:${pattern})$`).test(permission));

  test.each([
    'network',
    'network:example.com',
    'network:example.com:8443',
    'network:*.example.com',
    'network:*.example.com:8443',
    'network:10.0.0.5',
    'network:[::1]:8080',
    'network:localhost:8080',
    'network:xn--mnchen-3ya.example',
  ])('%s is one of them', (permission) => {
    expect(kindsOf(permission)).toHaveLength(1);
  });

  test.each([
    'network:',
    'network:*',
    'network:*.com',
    'network:a.*.com',
    'network:Example.com',
    'network:example.com.',
    'network:example.com:0',
    'network:example.com:123456',
    'network:https://example.com',
    'network:user@example.com',
    'network:10.0.0.0/8',
    'network:2130706433',
    'network:0x7f.1',
    'network:::1',
    'network:tcp:example.com:443',
    'network:example.com\n',
  ])('%p is none', (permission) => {
    expect(kindsOf(permission)).toHaveLength(0);
  });

  test('their examples are of their own kind, and described', () => {
    for (const kind of fetchContract.permissions) {
      expect(kindsOf(kind.example)).toEqual([kind]);
    }
    const say = (permission: string) => kindsOf(permission)[0]?.describe(permission);
    expect(say('network')).toBe('Send requests to any host on the internet (private addresses excepted)');
    expect(say('network:api.example.com')).toBe('Send requests to api.example.com on ports 80 and 443');
    expect(say('network:*.example.com:8443')).toBe('Send requests to every subdomain of example.com on port 8443');
    expect(say('network:[::1]:81')).toBe(
      'Send requests to ::1 on port 81, which is not on the internet but on this machine or network',
    );
  });
});
