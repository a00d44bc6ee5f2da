import { CodedError, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import { escapePointer } from './config-schema.ts';
import { MANIFEST_LIMITS } from './limits.ts';

/** The error for a manifest, with everything that is wrong with it. */
export function manifestInvalid(issues: readonly Issue[]): CodedError {
  const shown = issues.slice(0, MANIFEST_LIMITS.issues);
  const [first] = shown;
  const where = first?.pointer ? `${first.pointer} ` : '';
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  return new CodedError('manifest_invalid', `manifest.json: ${where}${first?.message ?? 'is not valid'}${more}`, {
    errors: shown,
  });
}

/**
 * Reads the JSON of a manifest: UTF-8 (a byte order mark is tolerated), bounded in size and depth, without the key
 * `__proto__` anywhere, which readers that copy objects would take for the prototype.
 * @throws CodedError `manifest_invalid`
 */
export function readManifestJson(bytes: Uint8Array | undefined): unknown {
  const refuse = (message: string) => manifestInvalid([{ pointer: '', message }]);
  if (bytes === undefined) throw refuse('is missing: it belongs into the root of the package');
  if (bytes.byteLength > MANIFEST_LIMITS.bytes) throw refuse(`is larger than ${MANIFEST_LIMITS.bytes} bytes`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse('is not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(`is not JSON: ${(error as Error).message.replace(/^JSON Parse error: /, '')}`);
  }
  const issues = structureIssues(value);
  if (issues.length > 0) throw manifestInvalid(issues);
  return value;
}

/** Walks without recursion: the parser takes any depth, and what reads the value later does not. */
function structureIssues(root: unknown): Issue[] {
  const issues: Issue[] = [];
  const left = [{ value: root, pointer: '', depth: 1 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, pointer, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > MANIFEST_LIMITS.jsonDepth) {
      issues.push({ pointer, message: `is nested deeper than ${MANIFEST_LIMITS.jsonDepth} levels` });
      continue;
    }
    for (const [key, child] of Object.entries(value)) {
      const at = `${pointer}/${escapePointer(key)}`;
      if (key === '__proto__') issues.push({ pointer: at, message: 'is a key that is not allowed' });
      else left.push({ value: child, pointer: at, depth: depth + 1 });
    }
  }
  return issues;
}
