import type { Identifier, ImportTypeNode, Node, SourceFile, Statement } from 'typescript/unstable/ast';
import {
  isClassDeclaration,
  isExpressionWithTypeArguments,
  isFunctionDeclaration,
  isIdentifier,
  isImportTypeNode,
  isInterfaceDeclaration,
  isModuleDeclaration,
  isQualifiedName,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  isTypeQueryNode,
  isTypeReferenceNode,
  isVariableStatement,
} from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/async';

/** What the compiler has parsed. */
export interface Sources {
  readonly names: readonly string[];
  /** @throws Error when the project does not have the file */
  file(name: string): Promise<SourceFile>;
  close(): Promise<void>;
}

/**
 * Parses the files of a TypeScript project. Only their syntax is looked at. (TypeScript 7 has its compiler in a process of
 * its own, under names that say that they may change: the version is pinned.)
 *
 * @param config absolute path of its tsconfig.json
 */
export async function openSources(config: string): Promise<Sources> {
  const api = new API();
  const snapshot = await api.updateSnapshot({ openProjects: [config] });
  const project = snapshot.getProject(config);
  if (project === undefined) throw new Error(`${config}: the compiler has no such project`);
  return {
    names: await project.program.getSourceFileNames(),
    async file(name) {
      const file = await project.program.getSourceFile(name);
      if (file === undefined) throw new Error(`${config}: ${name} is no file of the project`);
      return file;
    },
    close: () => api.close(),
  };
}

/** The name that a statement declares; null when it declares none. */
export function nameOf(statement: Statement): string | null {
  if (isVariableStatement(statement)) {
    const [declaration] = statement.declarationList.declarations;
    return declaration !== undefined && isIdentifier(declaration.name) ? declaration.name.text : null;
  }
  if (
    isInterfaceDeclaration(statement) ||
    isTypeAliasDeclaration(statement) ||
    isFunctionDeclaration(statement) ||
    isClassDeclaration(statement) ||
    isModuleDeclaration(statement)
  ) {
    return statement.name?.text ?? null;
  }
  return null;
}

/** Whether the statement makes something that is there when the program runs. */
export function isValue(statement: Statement): boolean {
  return isVariableStatement(statement) || isFunctionDeclaration(statement) || isClassDeclaration(statement);
}

/** Names of members that a declaration does without: of an interface, and of the constructor's type of a `declare var`. */
export type Left = ReadonlySet<string>;

/** The members of a declaration that are left out. */
function leftOut(statement: Node, left: Left): Node[] {
  if (left.size === 0) return [];
  const out: Node[] = [];
  const look = (members: Iterable<Node>): void => {
    for (const member of members) {
      const { name } = member as { name?: Node };
      if (name !== undefined && isIdentifier(name) && left.has(name.text)) out.push(member);
    }
  };
  if (isInterfaceDeclaration(statement) || isClassDeclaration(statement)) look(statement.members);
  if (isVariableStatement(statement)) {
    const type = statement.declarationList.declarations[0]?.type;
    if (type !== undefined && isTypeLiteralNode(type)) look(type.members);
  }
  return out;
}

/** A name in a declaration that stands for another declaration: `A`, or `A.B`. */
export interface Reference {
  readonly name: string;
  /** `B` of `A.B`. */
  readonly member: string | null;
  /** Where it stands in the file. */
  readonly at: number;
  /** What `import("module")` names, in place of a name. */
  readonly module: string | null;
}

/** What a declaration is made of, but for the members that are left out. */
export function referencesIn(statement: Node, file: SourceFile, left: Left): Reference[] {
  const found: Reference[] = [];
  const skipped = new Set(leftOut(statement, left).map(({ pos }) => pos));
  const visit = (node: Node): void => {
    if (node !== statement && skipped.has(node.pos)) return;
    if (isTypeReferenceNode(node)) found.push(referenceOf(node.typeName, file));
    else if (isTypeQueryNode(node)) found.push(referenceOf(node.exprName, file));
    else if (isExpressionWithTypeArguments(node)) found.push(referenceOf(node.expression, file));
    else if (isImportTypeNode(node)) found.push(importOf(node, file));
    node.forEachChild(visit);
  };
  visit(statement);
  return found;
}

/** The names of `referencesIn`, each once. */
export function namesIn(statement: Statement, file: SourceFile, left: Left): Set<string> {
  return new Set(referencesIn(statement, file, left).map(({ name }) => name));
}

function referenceOf(node: Node, file: SourceFile): Reference {
  const names: string[] = [];
  let at: Node = node;
  while (!isIdentifier(at)) {
    const { left, right, expression, name } = at as { left?: Node; right?: Node; expression?: Node; name?: Node };
    const [before, after] = isQualifiedName(at) ? [left, right] : [expression, name];
    if (before === undefined || after === undefined) return { name: '', member: null, at: node.pos, module: null };
    names.unshift((after as Identifier).text);
    at = before;
  }
  return { name: at.text, member: names[0] ?? null, at: at.getStart(file), module: null };
}

function importOf(node: ImportTypeNode, file: SourceFile): Reference {
  const name = node.qualifier === undefined ? '' : referenceOf(node.qualifier, file).name;
  const module = node.argument.getText(file).replaceAll(/['"]/g, '');
  return { name, member: null, at: node.getStart(file), module };
}

/** A text that goes into the source. */
export interface Insertion {
  readonly at: number;
  readonly text: string;
}

/** The source of a declaration with its doc comment: without bodies, and without the members that are left out. */
export function textOf(
  statement: Statement,
  file: SourceFile,
  left: Left,
  insertions: readonly Insertion[] = [],
): string {
  const start = statement.getStart(file, true);
  let end = statement.end;
  let tail = '';
  if (isFunctionDeclaration(statement) && statement.body !== undefined) {
    end = statement.body.pos;
    tail = ';';
  }
  const edits = [
    ...leftOut(statement, left).map(({ pos, end: to }) => ({ from: pos, to, text: '' })),
    ...insertions.map(({ at, text }) => ({ from: at, to: at, text })),
  ].sort((a, b) => a.from - b.from);
  let text = '';
  let at = start;
  for (const edit of edits) {
    text += file.text.slice(at, edit.from) + edit.text;
    at = edit.to;
  }
  return text + file.text.slice(at, end) + tail;
}
