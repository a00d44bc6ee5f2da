import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import type { GuestError } from '../../runtime/protocol/messages.ts';

/** Decodes what a host or a guest sent: JSON under a depth limit, then by schema. Undefined when it does not fit. */
export function decoder<T extends TSchema>(schema: T): (text: string) => Static<T> | undefined {
  const check = TypeCompiler.Compile(schema);
  return (text) => {
    const value = parseLimited(text);
    return check.Check(value) ? value : undefined;
  };
}

/** Parses JSON of limited depth; undefined when it is not JSON or too deep. `__proto__` stays a plain own key. */
export function parseLimited(text: string): unknown {
  if (!isShallow(text, CHANNEL_LIMITS.jsonDepth)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Counts brackets before parsing, so that deep nesting never reaches a recursive function. */
function isShallow(text: string, limit: number): boolean {
  // A text with few brackets cannot be deep; most are.
  if (text.length <= limit) return true;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) {
      inString = true;
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > limit) return false;
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1;
    }
  }
  return true;
}

const decodeError = decoder(
  Type.Object({
    name: Type.String(),
    message: Type.String(),
    stack: Type.Optional(Type.String()),
    code: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  }),
);
const decodeMessage = decoder(Type.Object({ message: Type.String() }));

/** An error of a guest, cut to its limits; one that cannot be read is called so. */
export function decodeGuestError(text: string): GuestError {
  const error = decodeError(text);
  const message = error?.message ?? decodeMessage(text)?.message ?? 'an error that cannot be read';
  return {
    name: (error?.name ?? 'Error').slice(0, 100),
    message: message.slice(0, CHANNEL_LIMITS.errorMessageChars),
    stack: (error?.stack ?? '').slice(0, CHANNEL_LIMITS.errorStackChars * 2),
    code: error?.code?.slice(0, 100) ?? null,
  };
}
