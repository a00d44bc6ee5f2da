import { expectType, type Same } from './equal.ts';

// What a plugin has of the web platform, and that it has the right types.

expectType<Same<typeof self, typeof globalThis>>(true);
expectType<Same<typeof navigator.userAgent, string>>(true);
expectType<Same<ReturnType<typeof performance.now>, number>>(true);

void new Promise((resolve) => setTimeout(resolve, 5));
void new Promise<void>((resolve) => setTimeout(resolve));
const timer: number = setTimeout((name: string, times: number) => name.repeat(times), 5, 'Ada', 2);
clearTimeout(timer);
// @ts-expect-error the arguments are those of the callback
setTimeout((name: string) => name.length, 5, 1);
// @ts-expect-error code is no text
setTimeout('alert(1)', 5);
clearInterval(setInterval(async () => undefined, 1_000));
queueMicrotask(() => undefined);
reportError(new Error('lost'));

const response: Response = await fetch('https://example.com/', {
  method: 'POST',
  body: new ReadableStream<Uint8Array>(),
  duplex: 'half',
  signal: AbortSignal.any([AbortSignal.timeout(1_000), new AbortController().signal]),
});
expectType<Same<typeof response.body, ReadableStream<Uint8Array<ArrayBuffer>> | null>>(true);
// @ts-expect-error there is no cache
void fetch('https://example.com/', { cache: 'no-store' });
// @ts-expect-error a status is a number
void new Response('x', { status: '200' });
for (const [name, value] of response.headers) expectType<Same<typeof name | typeof value, string>>(true);
for await (const bytes of response.body ?? []) expectType<Same<typeof bytes, Uint8Array<ArrayBuffer>>>(true);
const form: FormData = await new Request('https://example.com/').formData();
expectType<Same<ReturnType<typeof form.get>, File | string | null>>(true);
expectType<Same<Awaited<ReturnType<Blob['bytes']>>, Uint8Array<ArrayBuffer>>>(true);

const url = new URL('/a', 'https://example.com');
url.searchParams.append('q', '1');
// @ts-expect-error a parameter is text
url.searchParams.append('q', 1);
expectType<Same<ReturnType<typeof URL.parse>, URL | null>>(true);
const found = new URLPattern({ pathname: '/users/:id' }).exec(url);
expectType<Same<typeof found, URLPatternResult | null>>(true);

const text: string = new TextDecoder('utf-8', { fatal: true }).decode(new TextEncoder().encode('é'));
const packed = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'));
packed.pipeThrough(new DecompressionStream('gzip')).pipeThrough(new TextDecoderStream());
// @ts-expect-error no such format
void new CompressionStream('zip');
new TransformStream<string, number>({ transform: (chunk, controller) => controller.enqueue(chunk.length) });
void new ReadableStream({ type: 'bytes', pull: (controller) => controller.byobRequest?.respond(0) });

const key: CryptoKey = await crypto.subtle.importKey(
  'raw',
  new Uint8Array(32),
  { name: 'HMAC', hash: 'SHA-256' },
  false,
  ['sign'],
);
expectType<Same<Awaited<ReturnType<typeof crypto.subtle.sign>>, ArrayBuffer>>(true);
void crypto.subtle.sign('HMAC', key, new TextEncoder().encode(crypto.randomUUID()));
// @ts-expect-error no such use
void crypto.subtle.importKey('raw', new Uint8Array(32), 'AES-GCM', false, ['print']);

const { port1, port2 } = new MessageChannel();
port1.onmessage = ({ data }) => console.log(data);
port2.postMessage(structuredClone({ at: new Date() }), [new ArrayBuffer(8)]);
const target = new EventTarget();
target.addEventListener('done', (event) => event.preventDefault(), { once: true });
target.dispatchEvent(new CustomEvent<{ rows: number }>('done', { detail: { rows: 1 } }));
expectType<Same<CustomEvent<{ rows: number }>['detail'], { rows: number }>>(true);
const lost: string = new DOMException('gone', 'NotFoundError').name;
console.table([{ lost }]);
btoa(atob('AA=='));
