import { definePlugin } from '@streamspace/sdk';
import { AwsClient, AwsV4Signer } from 'aws4fetch';

interface Signing {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly service: string;
  readonly region: string;
  readonly datetime: string;
  readonly signQuery?: boolean;
}

interface Settings {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const open = { auth: 'public' } as const;

export default definePlugin<Settings>({
  onLoad({ api, config }) {
    const { accessKeyId, secretAccessKey } = config;
    const aws = new AwsClient({ accessKeyId, secretAccessKey, service: 's3', region: 'eu-central-1', retries: 0 });

    api.post(
      '/sign',
      async (request) => {
        const signer = new AwsV4Signer((await request.json()) as Signing);
        const { url, headers } = await signer.sign();
        return { url: url.href, authorization: headers.get('authorization') };
      },
      open,
    );
    api.get(
      '/store',
      async () => {
        const url = `${config.endpoint}/aws4fetch/notes/${encodeURIComponent('a file (1).txt')}`;
        const put = await aws.fetch(url, { method: 'PUT', body: 'grüße', headers: { 'content-type': 'text/plain' } });
        const got = await aws.fetch(url);
        const listed = await aws.fetch(`${config.endpoint}/aws4fetch?list-type=2&prefix=notes/`);
        const keys = [...(await listed.text()).matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key);
        const presigned = await aws.sign(url, { aws: { signQuery: true } });
        const direct = await fetch(presigned.url);
        const wrong = new AwsClient({
          accessKeyId,
          secretAccessKey: 'wrong',
          service: 's3',
          region: 'eu-central-1',
          retries: 0,
        });
        return {
          put: put.status,
          text: await got.text(),
          keys,
          presigned: await direct.text(),
          wrong: (await wrong.fetch(url)).status,
        };
      },
      open,
    );
  },
});
