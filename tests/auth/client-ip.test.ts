import { describe, expect, test } from 'bun:test';
import { clientIp, isLoopbackRequest } from '../../src/auth/client-ip.ts';

const from = (address: string) => ({ requestIP: () => ({ address, family: 'IPv4' as const, port: 1 }) });
const request = (headers: Record<string, string> = {}) => new Request('http://localhost/', { headers });

describe('the address of the client', () => {
  test.each([
    [0, '6.6.6.6', '10.0.0.1', 'nobody in front is trusted'],
    [1, '6.6.6.6, 7.7.7.7', '7.7.7.7', 'what our proxy appended'],
    [2, '6.6.6.6, 7.7.7.7, 10.0.0.2', '7.7.7.7', 'two proxies of ours'],
    [3, '7.7.7.7', '7.7.7.7', 'fewer entries than proxies'],
    [1, 'nonsense', '10.0.0.1', 'no address'],
    [1, '', '10.0.0.1', 'an empty header'],
  ])('behind %i trusted proxies with "%s" is %s: %s', (trust, header, expected) => {
    expect(clientIp(request({ 'x-forwarded-for': header }), from('10.0.0.1'), trust)).toBe(expected);
  });
});

describe('a request from this machine', () => {
  test.each([
    ['127.0.0.1', { host: 'localhost:3000' }, true],
    ['::1', { host: '[::1]:3000' }, true],
    ['::ffff:127.0.0.1', { host: '127.0.0.1' }, true],
    ['10.0.0.1', { host: 'localhost' }, false],
    ['127.0.0.1', { host: 'localhost', 'x-forwarded-for': '6.6.6.6' }, false],
    ['127.0.0.1', { host: 'localhost', forwarded: 'for=6.6.6.6' }, false],
    ['127.0.0.1', { host: 'rebound.evil.example' }, false],
    ['127.0.0.1', { host: 'localhost.evil.example' }, false],
  ])('from %s with %p: %p', (peer, headers, expected) => {
    expect(isLoopbackRequest(request(headers as Record<string, string>), from(peer))).toBe(expected);
  });
});
