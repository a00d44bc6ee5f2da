import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { allows, describe, PATTERNS, parseTarget, permissionFor } from './permission.ts';

/** Characters or bytes of a body that travels inside the call; what is larger is streamed. */
export const INLINE_REQUEST = 131_072;
export const INLINE_RESPONSE = 65_536;

const streamId = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });
const latin1 = (maxLength: number) => Type.String({ maxLength, pattern: '^[\\u0000-\\u00ff]*$' });

const request = Type.Object(
  {
    method: Type.String({ minLength: 1, maxLength: 32, pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" }),
    url: Type.String({ minLength: 1, maxLength: 16_384 }),
    headers: Type.Array(Type.Tuple([Type.String({ maxLength: 256 }), Type.String({ maxLength: 16_384 })]), {
      maxItems: 128,
    }),
    redirect: Type.Union([Type.Literal('follow'), Type.Literal('error'), Type.Literal('manual')]),
    body: Type.Union([
      Type.Null(),
      Type.Object({ text: Type.String({ maxLength: INLINE_REQUEST }) }, { additionalProperties: false }),
      Type.Object({ latin1: latin1(INLINE_REQUEST) }, { additionalProperties: false }),
      Type.Object(
        {
          stream: streamId,
          /** Bytes that will come, when that is known: the request then has a Content-Length. */
          length: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
        },
        { additionalProperties: false },
      ),
    ]),
  },
  { additionalProperties: false },
);

const response = Type.Object(
  {
    status: Type.Integer({ minimum: 200, maximum: 599 }),
    statusText: Type.String({ maxLength: 65_536 }),
    url: Type.String({ maxLength: 16_384 }),
    redirected: Type.Boolean(),
    headers: Type.Array(Type.Tuple([Type.String({ maxLength: 65_536 }), Type.String({ maxLength: 65_536 })]), {
      maxItems: 256,
    }),
    body: Type.Union([
      Type.Null(),
      Type.Object({ text: Type.String({ maxLength: INLINE_RESPONSE }) }, { additionalProperties: false }),
      Type.Object({ latin1: latin1(INLINE_RESPONSE) }, { additionalProperties: false }),
      Type.Object({ stream: streamId }, { additionalProperties: false }),
    ]),
  },
  { additionalProperties: false },
);

export const fetchContract = defineRoom({
  name: 'fetch',
  summary: 'Web-standard fetch over http and https',
  permissions: [
    { pattern: PATTERNS.anyHost, example: 'network', describe },
    { pattern: PATTERNS.host, example: 'network:api.example.com', describe },
    { pattern: PATTERNS.wildcard, example: 'network:*.example.com', describe },
  ],
  allows,
  calls: {
    request: defineCall({
      summary: 'Sends one request and follows its redirects; answers when the response headers are there',
      input: request,
      output: response,
      errors: ['network_blocked', 'network_failed'],
      deadlineMs: 120_000,
      needs: (input) => {
        const { host, port } = parseTarget(input.url);
        return permissionFor(host, port);
      },
    }),
  },
});
