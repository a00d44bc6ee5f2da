import type { Message } from 'esbuild';
import { valid } from 'semver';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { missingModule } from './guest-modules.ts';
import { BUNDLE_LIMITS } from './limits.ts';
import type { PackageFiles } from './read.ts';

/** Marks the files of the package in esbuild's paths. */
export const NAMESPACE = 'pkg';
/** Characters of a source line or message that are kept; minified files are one line. */
const TEXT_LENGTH = 300;

/** One thing that the bundler has to say, at its place in the package. */
export interface BundleIssue {
  readonly file: string | null;
  /** From 1. */
  readonly line: number | null;
  /** From 1, in UTF-16 units as editors count. */
  readonly column: number | null;
  readonly message: string;
  /** The source line. */
  readonly text: string | null;
}

/** The error for source that cannot be bundled, with every problem and its place. */
export function bundleFailed(issues: readonly BundleIssue[]): CodedError {
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  const text = first === undefined ? 'The source cannot be bundled' : `${formatIssue(first)}${more}`;
  return new CodedError('bundle_failed', text, { errors: issues.slice(0, BUNDLE_LIMITS.messages) });
}

/** An issue without a place in the source. */
export function plainIssue(message: string): BundleIssue {
  return { file: null, line: null, column: null, message, text: null };
}

/** `file:line:column: message`, as compilers write it. */
export function formatIssue({ file, line, column, message }: BundleIssue): string {
  return file === null ? message : `${file}:${line}:${column}: ${message}`;
}

/** esbuild's errors in the package's own terms; what it says about the disk that it may not read is left out. */
export function toIssues(messages: readonly Message[], files: PackageFiles['files']): BundleIssue[] {
  const own = messages.filter(({ text }) => !text.startsWith('Cannot read directory '));
  return own.map((message) => toIssue(message, files));
}

/** esbuild's message in the package's own terms. */
export function toIssue({ text, location }: Message, files: PackageFiles['files']): BundleIssue {
  const message = explain(text).slice(0, TEXT_LENGTH * 4);
  if (location === null) return plainIssue(message);
  const file = location.file.startsWith(`${NAMESPACE}:`) ? location.file.slice(NAMESPACE.length + 1) : location.file;
  const before = Buffer.from(location.lineText).subarray(0, location.column).toString();
  return {
    file,
    line: location.line,
    column: before.length + 1,
    message: `${message}${pulledInBy(file, files)}`,
    text: location.lineText.slice(0, TEXT_LENGTH),
  };
}

/** A pattern that would be looked for on the disk, and a path that is known only at run time. */
const COMPUTED =
  /^Could not resolve (?:import|require)[.a-z]*\(|^This (?:"import" expression|call to "require") will not be bundled because/;

function explain(text: string): string {
  if (text.startsWith('Top-level await')) {
    return 'Top-level await is not available in a plugin: do it in onLoad, which is waited for';
  }
  if (COMPUTED.test(text)) return 'An import with a computed path cannot be bundled: write the path as a string';
  const [, builtin = ''] = /^Could not resolve "([^"]+)"$/.exec(text) ?? [];
  const missing = missingModule(builtin);
  if (missing !== null) return `"${builtin}" ${missing}`;
  if (text.startsWith('"import.meta" is not available')) return 'import.meta is empty in a plugin';
  return text;
}

/** Names the npm package that a file belongs to: it is what the author has to look at. */
function pulledInBy(file: string, files: PackageFiles['files']): string {
  const at = file.lastIndexOf('node_modules/') + 'node_modules/'.length;
  if (at < 'node_modules/'.length) return '';
  const [first = '', second = ''] = file.slice(at).split('/');
  const name = first.startsWith('@') ? `${first}/${second}` : first;
  const version = versionOf(files.get(`${file.slice(0, at)}${name}/package.json`));
  return ` (in the npm package "${name}${version === null ? '' : `@${version}`}")`;
}

function versionOf(manifest: Uint8Array | undefined): string | null {
  if (manifest === undefined) return null;
  try {
    return valid((JSON.parse(Buffer.from(manifest).toString()) as { version?: string } | null)?.version);
  } catch {
    // It is the package's own, and may be anything.
    return null;
  }
}
