import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { FILE_LIMITS } from './limits.ts';

const closed = { additionalProperties: false };
const SAFE = Number.MAX_SAFE_INTEGER;

/** The bytes are counted by the broker; JSON Schema counts characters. */
const Path = Type.String({ minLength: 1, maxLength: FILE_LIMITS.pathBytes });
export const ContentType = Type.String({
  maxLength: FILE_LIMITS.contentTypeChars,
  pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \\t]*;[\\t -~]*)?$",
});
export const Metadata = Type.Record(
  Type.String({ pattern: `^[a-z0-9][a-z0-9_-]{0,${FILE_LIMITS.metadataNameChars - 1}}$` }),
  Type.String({ maxLength: FILE_LIMITS.metadataValueChars }),
  { additionalProperties: false, maxProperties: FILE_LIMITS.metadataEntries },
);
/** An etag, with or without the quotes of HTTP, or `*`. */
const Condition = Type.String({ maxLength: 66, pattern: '^(?:\\*|[0-9a-f]{64}|"[0-9a-f]{64}")$' });
const conditions = { ifMatch: Type.Optional(Condition), ifNoneMatch: Type.Optional(Condition) };
const Size = Type.Integer({ minimum: 0, maximum: SAFE });
const streamId = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });
const latin1 = (maxLength: number) => Type.String({ maxLength, pattern: '^[\\u0000-\\u00ff]*$' });
const Text = (maxLength: number) => Type.Object({ text: Type.String({ maxLength }) }, closed);
const Latin1 = (maxLength: number) => Type.Object({ latin1: latin1(maxLength) }, closed);

const Info = Type.Object(
  {
    path: Path,
    size: Size,
    etag: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    contentType: Type.String({ maxLength: FILE_LIMITS.contentTypeChars }),
    metadata: Metadata,
    createdAt: Type.String({ maxLength: 40 }),
    updatedAt: Type.String({ maxLength: 40 }),
  },
  closed,
);
const Cursor = Type.String({ minLength: 1, maxLength: 2 * FILE_LIMITS.pathBytes });

const needs = () => 'files';
const backendErrors = ['service_unavailable', 'service_failed'] as const;

export const filesContract = defineRoom({
  name: 'files',
  summary: 'Keep files under paths of your own: streams in and out, ranges, signed URLs.',
  permissions: [
    { pattern: 'files', example: 'files', describe: () => 'Keep files of its own, and give out links to them' },
  ],
  calls: {
    put: defineCall({
      summary: 'Write a file as a whole, or not at all.',
      input: Type.Object(
        {
          path: Path,
          contentType: ContentType,
          metadata: Metadata,
          ...conditions,
          body: Type.Union([
            Type.Null(),
            Text(FILE_LIMITS.inlinePut),
            Latin1(FILE_LIMITS.inlinePut),
            Type.Object({ stream: streamId, length: Type.Optional(Size) }, closed),
          ]),
        },
        closed,
      ),
      output: Type.Object({ file: Info }, closed),
      errors: ['file_changed', ...backendErrors],
      deadlineMs: 120_000,
      needs,
    }),
    get: defineCall({
      summary: 'Read a file, or a part of it.',
      input: Type.Object(
        {
          path: Path,
          range: Type.Optional(
            Type.Union([
              Type.String({ maxLength: 64 }),
              Type.Object({ offset: Type.Optional(Size), length: Type.Optional(Size) }, closed),
              Type.Object({ suffix: Size }, closed),
            ]),
          ),
        },
        closed,
      ),
      output: Type.Object(
        {
          file: Type.Union([
            Type.Null(),
            Type.Object(
              {
                info: Info,
                range: Type.Union([Type.Null(), Type.Object({ offset: Size, length: Size }, closed)]),
                body: Type.Union([
                  Text(FILE_LIMITS.inlineGet),
                  Latin1(FILE_LIMITS.inlineGet),
                  Type.Object({ stream: streamId }, closed),
                ]),
              },
              closed,
            ),
          ]),
        },
        closed,
      ),
      errors: ['file_corrupted', 'range_not_satisfiable', ...backendErrors],
      deadlineMs: 60_000,
      needs,
    }),
    stat: defineCall({
      summary: 'What is known of a file.',
      input: Type.Object({ path: Path }, closed),
      output: Type.Object({ file: Type.Union([Info, Type.Null()]) }, closed),
      errors: [],
      deadlineMs: 5_000,
      needs,
    }),
    list: defineCall({
      summary: 'Read a page of files in the order of their paths.',
      input: Type.Object(
        {
          prefix: Type.Optional(Type.String({ maxLength: FILE_LIMITS.pathBytes })),
          delimiter: Type.Optional(Type.Literal('/')),
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: FILE_LIMITS.pageEntries })),
        },
        closed,
      ),
      output: Type.Object(
        {
          files: Type.Array(Info, { maxItems: FILE_LIMITS.pageEntries }),
          folders: Type.Array(Path, { maxItems: FILE_LIMITS.pageEntries }),
          cursor: Type.Optional(Cursor),
        },
        closed,
      ),
      errors: [],
      deadlineMs: 10_000,
      needs,
    }),
    delete: defineCall({
      summary: 'Remove a file.',
      input: Type.Object({ path: Path, ifMatch: Type.Optional(Condition) }, closed),
      output: Type.Object({ deleted: Type.Boolean() }, closed),
      errors: ['file_changed'],
      deadlineMs: 30_000,
      needs,
    }),
    copy: defineCall({
      summary: 'Give the content of a file to another path too.',
      input: Type.Object({ from: Path, to: Path, ...conditions }, closed),
      output: Type.Object({ file: Info }, closed),
      errors: ['not_found', 'file_changed'],
      deadlineMs: 30_000,
      needs,
    }),
    move: defineCall({
      summary: 'Give a file another path.',
      input: Type.Object({ from: Path, to: Path, ...conditions }, closed),
      output: Type.Object({ file: Info }, closed),
      errors: ['not_found', 'file_changed'],
      deadlineMs: 30_000,
      needs,
    }),
    url: defineCall({
      summary: 'A signed URL under which anybody may read a file for a while.',
      input: Type.Object(
        {
          path: Path,
          expires: Type.Optional(Type.Integer({ minimum: 1, maximum: FILE_LIMITS.urlMaxSeconds })),
          download: Type.Optional(Type.Boolean()),
        },
        closed,
      ),
      output: Type.Object(
        { url: Type.String({ maxLength: 8_192 }), expiresAt: Type.String({ maxLength: 40 }) },
        closed,
      ),
      errors: ['plugin_unavailable'],
      deadlineMs: 5_000,
      needs,
    }),
  },
});
