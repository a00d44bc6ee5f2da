import { join } from 'node:path';
import type { SourceFile } from 'typescript/unstable/ast';
import { isModuleDeclaration } from 'typescript/unstable/ast/is';
import { API, type Project, SymbolFlags } from 'typescript/unstable/async';
import { isValue, nameOf } from '../../src/sdk/syntax.ts';

/** What the compiler says of one global. */
export interface DeclaredGlobal {
  /** Members of the value itself: statics of a class. */
  readonly own: readonly string[];
  /** Members of what the class makes, inherited ones too; null for what is no class. */
  readonly made: readonly string[] | null;
}

export interface Declared {
  /** Values that globals.d.ts declares, by name. */
  readonly guest: ReadonlyMap<string, DeclaredGlobal>;
  /** Names of the values that the language's own libraries declare. */
  readonly language: ReadonlySet<string>;
}

const PROJECT = join(import.meta.dir, '../types/sdk/tsconfig.json');

/** Asks the compiler which globals a plugin has, by the types of `@streamspace/sdk` and `lib: ["ESNext"]`. */
export async function declaredGlobals(): Promise<Declared> {
  const api = new API();
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [PROJECT] });
    const project = snapshot.getProject(PROJECT);
    if (project === undefined) throw new Error(`${PROJECT} is no project`);
    const guest = new Map<string, DeclaredGlobal>();
    const language = new Set<string>();
    for (const name of await project.program.getSourceFileNames()) {
      const file = await project.program.getSourceFile(name);
      if (file === undefined) continue;
      if (name.endsWith('/sdk/types/globals.d.ts')) {
        for (const value of valuesOf(file)) guest.set(value, await lookAt(project, value));
      } else if (/\/lib\.[^/]+\.d\.ts$/.test(name)) {
        for (const value of valuesOf(file)) language.add(value);
      }
    }
    return { guest, language };
  } finally {
    await api.close();
  }
}

function valuesOf(file: SourceFile): string[] {
  // Of the libraries' namespaces (Intl, Reflect, Temporal) each has values.
  const values = file.statements.filter((statement) => isValue(statement) || isModuleDeclaration(statement));
  return values.flatMap((statement) => nameOf(statement) ?? []).filter((name) => name !== 'global');
}

async function lookAt({ checker }: Project, name: string): Promise<DeclaredGlobal> {
  const value = await checker.resolveName(name, SymbolFlags.Value);
  const type = value && (await checker.getTypeOfSymbol(value));
  if (type === undefined) throw new Error(`the compiler does not know ${name}`);
  const own = (await checker.getPropertiesOfType(type)).map(({ name: member }) => plain(member));
  const made = own.includes('prototype') ? await checker.resolveName(name, SymbolFlags.Type) : undefined;
  if (made === undefined) return { own, made: null };
  const members = await checker.getPropertiesOfType(await checker.getDeclaredTypeOfSymbol(made));
  return {
    own: own.filter((member) => member !== 'prototype'),
    made: members.map(({ name: member }) => plain(member)),
  };
}

/** `[iterator]` for the compiler's name of a member that is named by a well-known symbol. */
function plain(name: string): string {
  return name.replace(/^\W*_*@(\w+)@\d+$/, '[$1]');
}
