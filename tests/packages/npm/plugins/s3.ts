import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { definePlugin } from '@streamspace/sdk';

interface Settings {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const Bucket = 'client-s3';
const MIB = 1024 * 1024;
const open = { auth: 'public' } as const;

export default definePlugin<Settings>({
  onLoad({ api, config }) {
    const { endpoint, accessKeyId, secretAccessKey } = config;
    const client = (secret: string) =>
      new S3Client({
        endpoint,
        region: 'eu-central-1',
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey: secret },
        maxAttempts: 1,
      });
    const s3 = client(secretAccessKey);

    api.get(
      '/objects',
      async () => {
        const put = await s3.send(
          new PutObjectCommand({
            Bucket,
            Key: 'a b/ü.txt',
            Body: 'grüße',
            ContentType: 'text/plain',
            Metadata: { by: 'plugin' },
          }),
        );
        const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
        await s3.send(new PutObjectCommand({ Bucket, Key: 'bytes', Body: bytes }));
        const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'a b/ü.txt' }));
        const range = await s3.send(new GetObjectCommand({ Bucket, Key: 'bytes', Range: 'bytes=250-252' }));
        const whole = await s3.send(new GetObjectCommand({ Bucket, Key: 'bytes' }));
        const read = await whole.Body?.transformToByteArray();
        const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'a b/ü.txt' }));
        return {
          etag: put.ETag,
          text: await got.Body?.transformToString(),
          type: got.ContentType,
          meta: head.Metadata,
          length: head.ContentLength,
          modified: head.LastModified instanceof Date,
          range: [...((await range.Body?.transformToByteArray()) ?? [])],
          same: read?.length === bytes.length && read.every((byte, at) => byte === bytes[at]),
        };
      },
      open,
    );
    api.get(
      '/pages',
      async () => {
        for (let i = 0; i < 5; i += 1) await s3.send(new PutObjectCommand({ Bucket, Key: `list/${i}`, Body: `${i}` }));
        const pages: string[][] = [];
        for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket, Prefix: 'list/' })) {
          pages.push((page.Contents ?? []).map(({ Key = '' }) => Key));
        }
        const Objects = pages.flat().map((Key) => ({ Key }));
        const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
        return { pages, deleted: deleted.Deleted?.map(({ Key }) => Key).sort() };
      },
      open,
    );
    api.get(
      '/multipart',
      async () => {
        const Key = 'large';
        const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
        const Parts = [];
        for (const [at, size] of [5 * MIB, 1_000].entries()) {
          const PartNumber = at + 1;
          const Body = new Uint8Array(size).fill(PartNumber);
          const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
          Parts.push({ ETag, PartNumber });
        }
        const done = await s3.send(
          new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
        );
        return { etag: done.ETag };
      },
      open,
    );
    api.get(
      '/errors',
      async () => {
        const missing = await s3
          .send(new GetObjectCommand({ Bucket, Key: 'nothing' }))
          .catch((error: unknown) => error);
        const refused = await client('wrong')
          .send(new GetObjectCommand({ Bucket, Key: 'bytes' }))
          .catch((error: unknown) => error);
        return {
          missing: missing instanceof NoSuchKey,
          refused:
            refused instanceof S3ServiceException ? [refused.name, refused.$metadata.httpStatusCode] : String(refused),
        };
      },
      open,
    );
  },
});
