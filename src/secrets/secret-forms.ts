/** Shorter ones are words and numbers of any text: masking them would tell where they are, and hide what is none. */
export const MIN_CHARS = 6;
/** Characters of a line that is masked by itself, of a secret of several lines, such as a private key. */
const LINE_CHARS = 16;
/** Digits up to which a number is exact. */
const NUMBER = /^\d{6,15}$/;

/** How a secret may look in a text; forms that are too short to tell them from other text are left out. */
export function formsOf(secret: string): string[] {
  const text = secret.toWellFormed();
  const escaped = [secret, ...urlForms(text), ...jsonForms(secret), htmlForm(secret)];
  const forms = [
    ...escaped,
    ...escaped.map(lowerEscapes),
    ...byteForms(secret),
    ...linesOf(secret),
    numberForm(secret),
  ];
  return [...new Set(forms)].filter((form) => form.length >= MIN_CHARS);
}

/** As each part of a URL has it: they differ in what they escape. */
function urlForms(text: string): string[] {
  const url = new URL('http://host/');
  url.username = text;
  url.pathname = `/${text}`;
  url.search = text;
  url.hash = text;
  const path = url.pathname.slice(1);
  return [
    encodeURIComponent(text),
    new URLSearchParams([['', text]]).toString().slice(1),
    url.username,
    // It may have lost a part (`..`), and then it is no form of the secret.
    ...(decoded(path) === text ? [path] : []),
    url.search.slice(1),
    url.hash.slice(1),
  ];
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** Escaped once, with all but ASCII escaped, and twice. */
function jsonForms(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const ascii = json.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [json, ascii, JSON.stringify(json).slice(1, -1)];
}

function htmlForm(secret: string): string {
  return secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function lowerEscapes(encoded: string): string {
  return encoded.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
}

/** In hexadecimal, and what of the base64 of any text around it stays the same. */
function byteForms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const groups = [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    // 6-bit groups that lie wholly in the secret.
    const inner = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_'), encodeURIComponent(inner)];
  });
  return [hex, hex.toUpperCase(), ...groups];
}

function linesOf(secret: string): string[] {
  if (!secret.includes('\n')) return [];
  const lines = secret.split(/[\r\n]+/).map((line) => line.trim());
  // The frame of a key in PEM is no secret.
  return lines.filter((line) => line.length >= LINE_CHARS && !line.startsWith('-----'));
}

/** Of leading zeros a number has none. */
function numberForm(secret: string): string {
  return NUMBER.test(secret) ? String(Number(secret)) : '';
}
