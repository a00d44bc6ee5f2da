// The subset of Go's text/template that our chart uses. What is not known is refused, never guessed.

export type Operand =
  | { readonly kind: 'literal'; readonly value: string | bigint | boolean }
  /** `.a.b` of the present value, or `$name.a.b`; `$` alone is what the template was given. */
  | { readonly kind: 'field'; readonly variable: string | null; readonly path: readonly string[] }
  | { readonly kind: 'call'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe };

/** Commands, each of which gets the value of the one before as its last argument. */
export type Pipe = readonly (readonly Operand[])[];

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | { readonly kind: 'declare'; readonly name: string; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

interface Piece {
  readonly action: boolean;
  readonly text: string;
}

/** Splits a file into text and actions; `{{-` and `-}}` take the white space beside them away. */
function pieces(source: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  let trimNext = false;
  for (;;) {
    const open = source.indexOf('{{', at);
    const text = source.slice(at, open === -1 ? undefined : open);
    const started = trimNext ? text.trimStart() : text;
    if (open === -1) {
      found.push({ action: false, text: started });
      return found;
    }
    const close = source.indexOf('}}', open);
    if (close === -1) throw new TemplateError('an action without an end');
    let inner = source.slice(open + 2, close);
    const trims = /^-\s/.test(inner);
    found.push({ action: false, text: trims ? started.trimEnd() : started });
    if (trims) inner = inner.slice(1);
    trimNext = /\s-$/.test(inner);
    if (trimNext) inner = inner.slice(0, -1);
    if (/^-|-$/.test(inner)) throw new TemplateError(`white space is missing beside a dash: {{${inner}}}`);
    if (!/^\s*\/\*[\s\S]*\*\/\s*$/.test(inner)) found.push({ action: true, text: inner.trim() });
    at = close + 2;
  }
}

const TOKEN = /\s*(?:("(?:[^"\\\n]|\\.)*")|(\d+)|(\$\w*(?:\.\w+)*|(?:\.\w+)+|\.)|(\w+)|(:=|[|()]))/y;

type Token = { readonly kind: 'string' | 'number' | 'field' | 'word' | 'sign'; readonly text: string };

function tokens(text: string): Token[] {
  const found: Token[] = [];
  const kinds = ['string', 'number', 'field', 'word', 'sign'] as const;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new TemplateError(`unknown at "${text.slice(from)}" in {{ ${text} }}`);
    const at = match.slice(1).findIndex((part) => part !== undefined);
    found.push({ kind: kinds[at] as Token['kind'], text: match[at + 1] as string });
  }
  return found;
}

/** Reads a pipeline to its end, or to the closing parenthesis. */
function pipeOf(list: Token[]): Pipe {
  const commands: Operand[][] = [[]];
  for (let token = list.shift(); token !== undefined; token = list.shift()) {
    if (token.kind === 'sign' && token.text === ')') return checked(commands);
    if (token.kind === 'sign' && token.text === '|') commands.push([]);
    else commands.at(-1)?.push(operandOf(token, list));
  }
  return checked(commands);
}

function checked(commands: Operand[][]): Pipe {
  for (const [first, ...rest] of commands) {
    if (first === undefined) throw new TemplateError('an empty command');
    if (first.kind !== 'call' && rest.length > 0) throw new TemplateError('arguments for what is no function');
  }
  return commands;
}

function operandOf({ kind, text }: Token, rest: Token[]): Operand {
  switch (kind) {
    case 'string':
      return { kind: 'literal', value: JSON.parse(text) as string };
    case 'number':
      return { kind: 'literal', value: BigInt(text) };
    case 'word':
      if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' };
      return { kind: 'call', name: text };
    case 'field': {
      const [variable = '', ...path] = text.split('.').filter((part, at) => at === 0 || part !== '');
      return { kind: 'field', variable: variable === '' ? null : variable, path };
    }
    case 'sign':
      if (text === '(') return { kind: 'pipe', pipe: pipeOf(rest) };
      throw new TemplateError(`"${text}" where a value is expected`);
  }
}

function pipeIn(text: string): Pipe {
  const list = tokens(text);
  const opened = list.filter(({ kind, text: sign }) => kind === 'sign' && sign === '(').length;
  const closed = list.filter(({ kind, text: sign }) => kind === 'sign' && sign === ')').length;
  if (opened !== closed) throw new TemplateError(`parentheses in {{ ${text} }}`);
  return pipeOf(list);
}

/** Reads one file: what it prints, and the templates that it defines. */
export function parseTemplate(source: string): {
  readonly nodes: readonly Node[];
  readonly defines: Map<string, Node[]>;
} {
  const list = pieces(source);
  const defines = new Map<string, Node[]>();

  /** Reads to the `end` or `else` of a block, which is answered. */
  function block(top: boolean): { nodes: Node[]; ended: string } {
    const nodes: Node[] = [];
    for (let piece = list.shift(); piece !== undefined; piece = list.shift()) {
      if (!piece.action) {
        if (piece.text !== '') nodes.push({ kind: 'text', text: piece.text });
        continue;
      }
      const [, word = '', rest = ''] =
        /^(if|with|range|define|end|else|template|block|break|continue)\b\s*([\s\S]*)$/.exec(piece.text) ?? [];
      const declared = /^(\$\w+)\s*:=\s*([\s\S]*)$/.exec(piece.text);
      if (word === 'end' || word === 'else') {
        if (top) throw new TemplateError(`"${word}" without a beginning`);
        return { nodes, ended: piece.text };
      }
      if (word === 'define') {
        const body = block(false);
        if (!top || body.ended !== 'end') throw new TemplateError('define: only at the top, without else');
        defines.set(JSON.parse(rest) as string, body.nodes);
      } else if (word === 'if' || word === 'with' || word === 'range') nodes.push(branch(word, rest));
      else if (word !== '') throw new TemplateError(`"${word}" is not known here`);
      else if (declared !== null)
        nodes.push({ kind: 'declare', name: declared[1] as string, pipe: pipeIn(declared[2] as string) });
      else nodes.push({ kind: 'print', pipe: pipeIn(piece.text) });
    }
    if (!top) throw new TemplateError('a block without an end');
    return { nodes, ended: '' };
  }

  function branch(kind: 'if' | 'with' | 'range', condition: string): Node {
    if (condition.includes(':=')) throw new TemplateError(`${kind} with a variable is not known here`);
    const { nodes: body, ended } = block(false);
    const [, more] = /^else\s+if\s+([\s\S]*)$/.exec(ended) ?? [];
    if (more !== undefined && kind === 'if')
      return { kind, pipe: pipeIn(condition), body, otherwise: [branch('if', more)] };
    if (ended === 'end') return { kind, pipe: pipeIn(condition), body, otherwise: [] };
    if (ended !== 'else') throw new TemplateError(`"${ended}" is not known here`);
    const otherwise = block(false);
    if (otherwise.ended !== 'end') throw new TemplateError('two else in one block');
    return { kind, pipe: pipeIn(condition), body, otherwise: otherwise.nodes };
  }

  return { nodes: block(true).nodes, defines };
}
