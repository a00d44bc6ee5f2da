import { heavy } from './heavy.ts';
import { type Payload, readBytes } from './payload.ts';

/** The body as a Blob of the type that its header says. */
export async function readBlob(payload: Payload, contentType: string | null): Promise<Blob> {
  const bytes = await readBytes(payload);
  const type = heavy.mime().parseMime(contentType)?.text ?? '';
  return heavy.blob().blobOf(bytes, type) as unknown as Blob;
}

/** The body as a form; rejects with a TypeError when its type or content is not of one. */
export async function readForm(payload: Payload, contentType: string | null): Promise<FormData> {
  const bytes = await readBytes(payload);
  return heavy.multipart().parseForm(bytes, contentType, heavy.url().URLSearchParams) as unknown as FormData;
}
