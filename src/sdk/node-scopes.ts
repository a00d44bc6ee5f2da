import type { SourceFile, Statement } from 'typescript/unstable/ast';
import {
  isExportAssignment,
  isExportDeclaration,
  isExternalModuleReference,
  isIdentifier,
  isImportDeclaration,
  isImportEqualsDeclaration,
  isModuleBlock,
  isModuleDeclaration,
  isNamedExports,
  isNamedImports,
  isNamespaceImport,
  isStringLiteral,
} from 'typescript/unstable/ast/is';
import { isValue, nameOf, type Sources } from './syntax.ts';

/** Where Node's global types go, so that a plugin does not see them as globals. */
export const SHARED = 'NodeJS';

/** A declaration of @types/node. */
export interface Unit {
  readonly scope: string;
  /** The namespace in its module that it is in; null for none. */
  readonly inside: string | null;
  /** The module whose names it sees; null for none. */
  readonly within: string | null;
  readonly name: string;
  readonly statement: Statement;
  readonly file: SourceFile;
}

export interface Imported {
  readonly module: string;
  /** `*` and `=` for all of the module: `import * as`, and `import x = require()`. */
  readonly name: string;
}

/** `export { local as name }`. */
export interface Exported {
  readonly inside: string | null;
  readonly local: string;
  readonly name: string;
}

/** What a module of @types/node declares, however many blocks it is written in. */
export interface Scope {
  readonly units: Unit[];
  readonly imports: Map<string, Imported>;
  readonly exported: Exported[];
  /** What `export =` names. */
  whole: string | null;
}

export type Scopes = ReadonlyMap<string, Scope>;

/** `node:path` is `path` here. */
export const bare = (module: string): string => module.replace(/^node:/, '');

/** Sorts the declarations of @types/node by module; SHARED has the global types, but for those that the libraries declare too. */
export async function readNodeScopes(sources: Sources): Promise<Scopes> {
  const scopes = new Map<string, Scope>();
  const scopeOf = (name: string): Scope => {
    const scope = scopes.get(name) ?? { units: [], imports: new Map(), exported: [], whole: null };
    scopes.set(name, scope);
    return scope;
  };
  const known = new Set<string | null>();
  for (const name of sources.names) {
    if (/\/lib\.[^/]+\.d\.ts$/.test(name))
      for (const each of (await sources.file(name)).statements) known.add(nameOf(each));
  }

  function readGlobals(statements: readonly Statement[], file: SourceFile, within: string | null): void {
    for (const statement of statements) {
      const inner = isModuleDeclaration(statement) && nameOf(statement) === SHARED ? bodyOf(statement) : null;
      for (const each of inner ?? [statement]) {
        const name = nameOf(each);
        if (name === null || isModuleDeclaration(each) || (inner === null && (isValue(each) || known.has(name))))
          continue;
        scopeOf(SHARED).units.push({ scope: SHARED, inside: null, within, name, statement: each, file });
      }
    }
  }

  function readModule(module: string, statements: readonly Statement[], file: SourceFile, inside: string | null): void {
    const scope = scopeOf(module);
    for (const statement of statements) {
      const name = nameOf(statement);
      if (isModuleDeclaration(statement)) {
        if (name === 'global') readGlobals(bodyOf(statement), file, module);
        else if (name !== null && inside === null) readModule(module, bodyOf(statement), file, name);
      } else if (isImportDeclaration(statement) || isImportEqualsDeclaration(statement)) {
        readImport(scope, statement);
      } else if (isExportAssignment(statement) && isIdentifier(statement.expression)) {
        scope.whole = statement.expression.text;
      } else if (isExportDeclaration(statement)) {
        const { exportClause } = statement;
        if (exportClause === undefined || !isNamedExports(exportClause)) continue;
        for (const { name: to, propertyName } of exportClause.elements) {
          scope.exported.push({ inside, local: (propertyName ?? to).text, name: to.text });
        }
      } else if (name !== null) {
        scope.units.push({ scope: module, inside, within: module, name, statement, file });
      }
    }
  }

  for (const path of sources.names.filter((name) => name.includes('/@types/node/'))) {
    const file = await sources.file(path);
    for (const statement of file.statements) {
      if (isModuleDeclaration(statement) && isStringLiteral(statement.name)) {
        if (!statement.name.text.startsWith('node:')) readModule(statement.name.text, bodyOf(statement), file, null);
      } else {
        readGlobals(nameOf(statement) === 'global' ? bodyOf(statement) : [statement], file, null);
      }
    }
  }
  return scopes;
}

function bodyOf(statement: Statement): readonly Statement[] {
  if (!isModuleDeclaration(statement)) return [];
  const { body } = statement;
  return body !== undefined && isModuleBlock(body) ? [...body.statements] : [];
}

function readImport(scope: Scope, statement: Statement): void {
  if (isImportEqualsDeclaration(statement)) {
    const { moduleReference } = statement;
    if (!isExternalModuleReference(moduleReference) || !isStringLiteral(moduleReference.expression)) return;
    scope.imports.set(statement.name.text, { module: bare(moduleReference.expression.text), name: '=' });
    return;
  }
  if (!isImportDeclaration(statement) || !isStringLiteral(statement.moduleSpecifier)) return;
  const module = bare(statement.moduleSpecifier.text);
  const bindings = statement.importClause?.namedBindings;
  if (bindings === undefined) return;
  if (isNamespaceImport(bindings)) scope.imports.set(bindings.name.text, { module, name: '*' });
  if (isNamedImports(bindings)) {
    for (const { name, propertyName } of bindings.elements) {
      scope.imports.set(name.text, { module, name: (propertyName ?? name).text });
    }
  }
}
