import { expect, test } from 'bun:test';
import {
  type AddressScope,
  addressScope,
  canonicalAddress,
  isPrivateName,
} from '../../sandbox-apis/fetch/addresses.ts';

const scopes: readonly [address: string, scope: AddressScope][] = [
  ['8.8.8.8', 'public'],
  ['1.1.1.1', 'public'],
  ['172.15.255.255', 'public'],
  ['172.32.0.0', 'public'],
  ['2606:4700::1111', 'public'],
  ['2a00:1450:4001::5', 'public'],
  ['127.0.0.1', 'private'],
  ['127.255.255.254', 'private'],
  ['10.1.2.3', 'private'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.168.0.1', 'private'],
  ['100.64.0.1', 'private'],
  ['100.127.255.255', 'private'],
  ['::1', 'private'],
  ['fd12:3456::1', 'private'],
  ['fc00::1', 'private'],
  // Spelt as IPv6
  ['::ffff:127.0.0.1', 'private'],
  ['::ffff:8.8.8.8', 'public'],
  ['::ffff:169.254.169.254', 'special'],
  // Link-local, metadata, tunnels, documentation, reserved
  ['169.254.169.254', 'special'],
  ['100.100.100.200', 'special'],
  ['fd00:ec2::254', 'special'],
  ['fe80::1', 'special'],
  ['fec0::1', 'special'],
  ['::7f00:1', 'special'],
  ['::ffff:0:7f00:1', 'special'],
  ['64:ff9b::7f00:1', 'special'],
  ['64:ff9b::808:808', 'special'],
  ['64:ff9b:1::1', 'special'],
  ['2002:7f00:1::', 'special'],
  ['2001:0:1::1', 'special'],
  ['2001:db8::1', 'special'],
  ['3fff::1', 'special'],
  ['100::1', 'special'],
  ['4000::1', 'special'],
  ['192.0.0.8', 'special'],
  ['192.0.2.1', 'special'],
  ['192.88.99.1', 'special'],
  ['198.18.0.1', 'special'],
  ['198.51.100.1', 'special'],
  ['203.0.113.1', 'special'],
  ['240.0.0.1', 'special'],
  // No host
  ['0.0.0.0', 'never'],
  ['0.1.2.3', 'never'],
  ['255.255.255.255', 'never'],
  ['224.0.0.1', 'never'],
  ['239.255.255.255', 'never'],
  ['::', 'never'],
  ['::ffff:0.0.0.0', 'never'],
  ['ff02::1', 'never'],
];

test.each(scopes)('%s is %s', (address, scope) => {
  expect(addressScope(canonicalAddress(address) ?? '')).toBe(scope);
});

test.each([
  ['::FFFF:10.0.0.5', '10.0.0.5'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['2001:0DB8::0001', '2001:db8::1'],
] as const)('%s is written %s', (text, canonical) => {
  expect(canonicalAddress(text)).toBe(canonical);
});

test.each(['', 'example.com', '1.2.3', '010.0.0.1', '0x7f.0.0.1', '1.2.3.4.5', '256.0.0.1', 'fe80::1%eth0', '[::1]'])(
  '%p is no address',
  (text) => {
    expect(canonicalAddress(text)).toBeNull();
  },
);

test('names that only a private network can give', () => {
  for (const name of [
    'localhost',
    'db.localhost',
    'postgres',
    'a.local',
    'x.svc.cluster.local',
    'x.corp',
    'a.home.arpa',
  ]) {
    expect([name, isPrivateName(name)]).toEqual([name, true]);
  }
  for (const name of ['example.com', 'localhost.example.com', 'corp.example', 'local.org', 'xhome.arpa']) {
    expect([name, isPrivateName(name)]).toEqual([name, false]);
  }
});
