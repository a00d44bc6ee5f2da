import { type Static, Type } from '@sinclair/typebox';
import { decoder } from './decode.ts';

// What a host says of itself and of its isolates, as the core takes it.

const Reach = Type.Object({
  env: Type.Boolean(),
  files: Type.Boolean(),
  sockets: Type.Boolean(),
  processes: Type.Boolean(),
  parent: Type.Boolean(),
  descriptors: Type.Boolean(),
});
const ShortText = Type.String({ maxLength: 100 });
const Ready = Type.Object({ node: ShortText, v8: ShortText, pid: Type.Integer(), reach: Reach });
export const decodeReady = decoder(Ready);
export const decodePong = decoder(
  Type.Object({
    rss: Type.Number({ minimum: 0 }),
    isolates: Type.Array(Type.Tuple([Type.Integer(), Type.Number(), Type.Number(), Type.Boolean()]), {
      maxItems: 10_000,
    }),
  }),
);
const GONE_REASONS = ['cpu', 'memory', 'protocol', 'catastrophic', 'disposed', 'load'] as const;
export const decodeGone = decoder(
  Type.Object({ reason: Type.Union(GONE_REASONS.map((reason) => Type.Literal(reason))), error: Type.Unknown() }),
);

export type HostReady = Static<typeof Ready>;
