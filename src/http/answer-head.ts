import { Type } from '@sinclair/typebox';
import { decoder } from '../host/decode.ts';
import type { Instance } from '../plugins/instance.ts';
import { responseHeaders } from './plugin-headers.ts';

const HeaderName = Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$" });
/** No CR, LF or NUL (RFC 9110, 5.5). */
const HeaderValue = Type.String({ maxLength: 16_384, pattern: '^[^\\u0000\\r\\n]*$' });
const decodeHead = decoder(
  Type.Object({
    s: Type.Integer({ minimum: 200, maximum: 599 }),
    h: Type.Array(Type.Tuple([HeaderName, HeaderValue]), { maxItems: 200 }),
    stream: Type.Optional(Type.Integer({ minimum: 1, maximum: 0xffff_ffff })),
    length: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
);
/** What an endpoint with a rate limit adds to each answer. */
export type LimitHeaders = Readonly<Record<'ratelimit-policy' | 'ratelimit', string>>;

/** Status and headers of an answer, checked and filtered. */
export interface AnswerHead {
  readonly init: { readonly status: number; readonly headers: Headers };
  /** The same with the headers of a rate limit, written anew for each answer (a Response copies them). */
  limited: Headers | null;
  /** Id of the stream that is the body. */
  readonly stream: number | null;
}

/** Heads that were decoded, by their text: a plugin answers most requests with the same few. */
const heads = new WeakMap<Instance, Map<string, AnswerHead>>();
/** Heads that are remembered of a plugin, and how long (characters) one may be for that. */
const REMEMBERED = { heads: 100, chars: 1_000 } as const;

/** The head of an answer as the guest's `api` room writes it; undefined when it is not valid. */
export function answerHead(text: string, instance: Instance): AnswerHead | undefined {
  let known = heads.get(instance);
  const remembered = known?.get(text);
  if (remembered !== undefined) return remembered;
  const head = decodeHead(text);
  if (head === undefined) return undefined;
  const init = { status: head.s, headers: responseHeaders(head.h, `/api/plugins/${instance.name}`) };
  const answer = { init, limited: null, stream: head.stream ?? null };
  if (answer.stream === null && text.length <= REMEMBERED.chars) {
    if (known === undefined || known.size >= REMEMBERED.heads) {
      known = new Map();
      heads.set(instance, known);
    }
    known.set(text, answer);
  }
  return answer;
}

export function withLimits(answer: AnswerHead, limits: LimitHeaders): ResponseInit {
  answer.limited ??= new Headers(answer.init.headers);
  answer.limited.set('ratelimit-policy', limits['ratelimit-policy']);
  answer.limited.set('ratelimit', limits.ratelimit);
  return { status: answer.init.status, headers: answer.limited };
}
