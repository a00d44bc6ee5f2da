import type { Issue } from '../../sandbox-apis/_kit/errors.ts';
import { MIGRATION_LIMITS } from './limits.ts';
import { quotePath } from './paths.ts';
import type { PackageFiles } from './read.ts';

const FOLDER = 'migrations/';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.sql$/;

/** A migration of a package: `name` is that of the file below `migrations/`. */
export interface PackageMigration {
  readonly name: string;
  readonly sql: string;
}

/** The migrations of a package that `migrationIssues` found nothing wrong with, in the order in which they run. */
export function migrationsOf(pkg: PackageFiles): readonly PackageMigration[] {
  const decoder = new TextDecoder();
  return filesOf(pkg).map(({ name, content }) => ({ name, sql: decoder.decode(content) }));
}

export function hasMigrations(pkg: PackageFiles): boolean {
  return filesOf(pkg).length > 0;
}

/** What is wrong with the files below `migrations/`; the manifest's check reports it. */
export function migrationIssues(pkg: PackageFiles): Issue[] {
  const files = filesOf(pkg);
  const issues = files.flatMap(({ name, content }) => {
    const why = faultOf(name, content);
    return why === null ? [] : [issue(name, why)];
  });
  const tooMany = files.length > MIGRATION_LIMITS.files;
  if (tooMany) issues.push({ pointer: '', message: `migrations/ has more than ${MIGRATION_LIMITS.files} files` });
  const bytes = files.reduce((sum, { content }) => sum + content.byteLength, 0);
  if (bytes > MIGRATION_LIMITS.bytes) {
    issues.push({ pointer: '', message: `migrations/ is over ${MIGRATION_LIMITS.bytes} bytes in all` });
  }
  const unordered = outOfOrder(files.map(({ name }) => name));
  if (unordered !== null) issues.push(issue(unordered, 'sorts before a lower number: write all with as many digits'));
  return issues;
}

function filesOf(pkg: PackageFiles): { readonly name: string; readonly content: Uint8Array }[] {
  return [...pkg.files]
    .filter(([path]) => path.startsWith(FOLDER) && path.toLowerCase().endsWith('.sql'))
    .map(([path, content]) => ({ name: path.slice(FOLDER.length), content }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

function faultOf(name: string, content: Uint8Array): string | null {
  if (name.includes('/')) return 'is in a folder: migrations are files right below migrations/';
  if (!NAME.test(name)) return 'is misnamed: call it 0001_name.sql, with letters, digits, ".", "_" and "-"';
  if (content.byteLength > MIGRATION_LIMITS.fileBytes) return `is over ${MIGRATION_LIMITS.fileBytes} bytes`;
  if (content.includes(0)) return 'holds U+0000, which SQL cannot';
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(content);
    return null;
  } catch {
    return 'is not UTF-8';
  }
}

/** The first file that sorts before one of a lower number: `10_b.sql` comes before `2_a.sql`. */
function outOfOrder(names: readonly string[]): string | null {
  let highest = -1n;
  for (const [index, name] of names.entries()) {
    const digits = /^\d+/.exec(name)?.[0];
    if (digits === undefined) continue;
    const number = BigInt(digits);
    if (number < highest) return names[index - 1] ?? name;
    highest = number;
  }
  return null;
}

function issue(name: string, why: string): Issue {
  return { pointer: '', message: `the file ${quotePath(FOLDER + name)} ${why}` };
}
