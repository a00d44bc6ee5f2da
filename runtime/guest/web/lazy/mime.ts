import MIMEType from 'whatwg-mimetype/lib/mime-type.js';

/** The content type that a `Content-Type` header says, or null when it is not one (MIME Sniffing standard). */
export function parseMime(
  header: string | null,
): { essence: string; parameters: ReadonlyMap<string, string>; text: string } | null {
  if (header === null) return null;
  const type = MIMEType.parse(header);
  return type === null ? null : { essence: type.essence, parameters: type.parameters, text: type.toString() };
}
