import { type Static, type TObject, type TProperties, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

/**
 * What Slack takes as a message, after https://docs.slack.dev/reference/block-kit and the typings of `@slack/types`:
 * the blocks that may stand in a message of an incoming webhook, with the limits written there. Slack refuses members
 * that it does not know, so every object is closed.
 */
const closed = <P extends TProperties>(properties: P): TObject<P> =>
  Type.Object(properties, { additionalProperties: false });

const BlockId = Type.Optional(Type.String({ maxLength: 255 }));
const Url = Type.String({ pattern: '^https?://', maxLength: 3000 });

const plainText = (maxLength: number) =>
  closed({
    type: Type.Literal('plain_text'),
    text: Type.String({ minLength: 1, maxLength }),
    emoji: Type.Optional(Type.Boolean()),
  });

const anyText = (maxLength: number) =>
  Type.Union([
    plainText(maxLength),
    closed({
      type: Type.Literal('mrkdwn'),
      text: Type.String({ minLength: 1, maxLength }),
      verbatim: Type.Optional(Type.Boolean()),
    }),
  ]);

const ImageElement = closed({
  type: Type.Literal('image'),
  image_url: Url,
  alt_text: Type.String({ minLength: 1, maxLength: 2000 }),
});

const Button = closed({
  type: Type.Literal('button'),
  text: plainText(75),
  action_id: Type.Optional(Type.String({ maxLength: 255 })),
  url: Type.Optional(Url),
  value: Type.Optional(Type.String({ maxLength: 2000 })),
  style: Type.Optional(Type.Union([Type.Literal('primary'), Type.Literal('danger')])),
  accessibility_label: Type.Optional(Type.String({ maxLength: 75 })),
});

const sectionRest = {
  type: Type.Literal('section'),
  block_id: BlockId,
  accessory: Type.Optional(Type.Union([Button, ImageElement])),
  expand: Type.Optional(Type.Boolean()),
};
const Fields = Type.Array(anyText(2000), { minItems: 1, maxItems: 10 });

const BLOCKS = {
  header: closed({ type: Type.Literal('header'), block_id: BlockId, text: plainText(150) }),
  // A section has text, fields or both.
  section: Type.Union([
    closed({ ...sectionRest, text: anyText(3000), fields: Type.Optional(Fields) }),
    closed({ ...sectionRest, fields: Fields }),
  ]),
  context: closed({
    type: Type.Literal('context'),
    block_id: BlockId,
    elements: Type.Array(Type.Union([ImageElement, anyText(3000)]), { minItems: 1, maxItems: 10 }),
  }),
  actions: closed({
    type: Type.Literal('actions'),
    block_id: BlockId,
    elements: Type.Array(Button, { minItems: 1, maxItems: 25 }),
  }),
  divider: closed({ type: Type.Literal('divider'), block_id: BlockId }),
  image: closed({
    type: Type.Literal('image'),
    block_id: BlockId,
    image_url: Url,
    alt_text: Type.String({ minLength: 1, maxLength: 2000 }),
    title: Type.Optional(plainText(2000)),
  }),
};

export const SlackMessageSchema = Type.Object({
  text: Type.Optional(Type.String()),
  blocks: Type.Optional(Type.Array(Type.Union(Object.values(BLOCKS)), { maxItems: 50 })),
  channel: Type.Optional(Type.String({ pattern: '^[#@]?[\\p{L}\\p{N}._-]{1,80}$' })),
  username: Type.Optional(Type.String({ maxLength: 80 })),
  icon_emoji: Type.Optional(Type.String({ pattern: "^:[a-z0-9_+'-]+:$" })),
  icon_url: Type.Optional(Url),
  mrkdwn: Type.Optional(Type.Boolean()),
  unfurl_links: Type.Optional(Type.Boolean()),
  unfurl_media: Type.Optional(Type.Boolean()),
});
export type SlackMessage = Static<typeof SlackMessageSchema>;

export type Judged = { ok: true; message: SlackMessage } | { ok: false; error: string; detail: string };

/** Judges a decoded payload as Slack does; the error is the word that Slack answers, the detail is for the test's reader. */
export function judgePayload(payload: unknown): Judged {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    return { ok: false, error: 'invalid_payload', detail: 'not an object' };
  }
  const { text, blocks } = payload as { text?: unknown; blocks?: unknown };
  const hasBlocks = Array.isArray(blocks) && blocks.length > 0;
  if (!hasBlocks && (text === undefined || text === '')) {
    return { ok: false, error: 'no_text', detail: 'neither text nor blocks' };
  }
  if (Value.Check(SlackMessageSchema, payload)) {
    const ids = (payload.blocks ?? []).flatMap((block) => (block.block_id === undefined ? [] : [block.block_id]));
    if (new Set(ids).size === ids.length) return { ok: true, message: payload };
    return { ok: false, error: 'invalid_blocks', detail: 'block_id is not unique' };
  }
  const detail = explain(payload, blocks);
  return { ok: false, error: detail.startsWith('/blocks') ? 'invalid_blocks' : 'invalid_payload', detail };
}

/** Names the innermost thing that is wrong, with the schema of the block's own type: a union says only that none fits. */
function explain(payload: object, blocks: unknown): string {
  if (Array.isArray(blocks)) {
    if (blocks.length > 50) return '/blocks: more than 50';
    for (const [index, block] of blocks.entries()) {
      const schema = BLOCKS[(block as { type?: keyof typeof BLOCKS })?.type as keyof typeof BLOCKS];
      if (schema === undefined) return `/blocks/${index}/type: unknown`;
      const error = Value.Errors(schema, block).First();
      if (error !== undefined) return `/blocks/${index}${error.path}: ${error.message}`;
    }
  }
  const error = Value.Errors(SlackMessageSchema, payload).First();
  return `${error?.path}: ${error?.message}`;
}
