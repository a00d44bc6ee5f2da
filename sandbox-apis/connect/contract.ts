import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { allows, describe, PATTERNS, parseTarget, permissionFor } from './permission.ts';

const id = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });
/** Bytes of a name in TLS: a host name (RFC 1035), a protocol (RFC 7301). */
const serverName = Type.Union([
  Type.Null(),
  Type.String({ minLength: 1, maxLength: 253, pattern: '^[\\x21-\\x7e]+$' }),
]);
const protocol = Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' });

const connected = {
  /** The bytes that the peer sends. */
  stream: id,
  /** What was agreed on by ALPN. */
  alpn: Type.Union([Type.Null(), Type.String({ maxLength: 255 })]),
};

export const connectContract = defineRoom({
  name: 'connect',
  summary: 'TCP and TLS sockets, after the WinterTC Sockets API',
  permissions: [
    { pattern: PATTERNS.host, example: 'network:tcp:smtp.example.com:587', describe },
    { pattern: PATTERNS.wildcard, example: 'network:tcp:*.example.com:587', describe },
  ],
  allows,
  calls: {
    open: defineCall({
      summary: 'Connects, with TLS when it is asked for; answers when the connection is there',
      input: Type.Object(
        {
          hostname: Type.String({ minLength: 1, maxLength: 255 }),
          port: Type.Integer({ minimum: 1, maximum: 65_535 }),
          secureTransport: Type.Union([Type.Literal('off'), Type.Literal('on'), Type.Literal('starttls')]),
          allowHalfOpen: Type.Boolean(),
          sni: serverName,
          alpn: Type.Array(protocol, { maxItems: 16 }),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ socket: id, ...connected }, { additionalProperties: false }),
      errors: ['network_blocked', 'network_failed'],
      deadlineMs: 60_000,
      needs: (input) => {
        const { host, port } = parseTarget(input.hostname, input.port);
        return permissionFor(host, port);
      },
    }),
    attach: defineCall({
      summary: 'Says from which stream the bytes come that are sent',
      input: Type.Object({ socket: id, stream: id }, { additionalProperties: false }),
      output: Type.Object({}, { additionalProperties: false }),
      errors: ['network_failed'],
      deadlineMs: 10_000,
    }),
    startTls: defineCall({
      summary: 'Goes on with TLS on the same connection, once the stream that is attached has ended',
      input: Type.Object({ socket: id, sni: serverName }, { additionalProperties: false }),
      output: Type.Object(connected, { additionalProperties: false }),
      errors: ['network_failed'],
      deadlineMs: 30_000,
    }),
  },
});
