import { FUNCTIONS, isTrue, type Value } from './functions.ts';
import { type Node, type Operand, type Pipe, TemplateError } from './parse.ts';

export type Defines = ReadonlyMap<string, readonly Node[]>;

interface Scope {
  readonly dot: Value;
  readonly root: Value;
  readonly variables: Map<string, Value>;
}

/** Runs a template over a value. @throws TemplateError where Go would fail, and where it would print `<no value>` */
export function render(nodes: readonly Node[], data: Value, defines: Defines): string {
  return run(nodes, { dot: data, root: data, variables: new Map() }, defines);
}

function run(nodes: readonly Node[], outer: Scope, defines: Defines): string {
  // What a block declares is its own.
  const scope: Scope = { ...outer, variables: new Map(outer.variables) };
  let out = '';
  for (const node of nodes) {
    switch (node.kind) {
      case 'text':
        out += node.text;
        break;
      case 'declare':
        scope.variables.set(node.name, evaluate(node.pipe, scope, defines));
        break;
      case 'print':
        out += printed(evaluate(node.pipe, scope, defines));
        break;
      case 'if':
      case 'with': {
        const value = evaluate(node.pipe, scope, defines);
        const inner = node.kind === 'with' ? { ...scope, dot: value } : scope;
        out += isTrue(value) ? run(node.body, inner, defines) : run(node.otherwise, scope, defines);
        break;
      }
      case 'range': {
        const value = evaluate(node.pipe, scope, defines);
        if (!Array.isArray(value)) throw new TemplateError('range over what is no list is not known here');
        if (value.length === 0) out += run(node.otherwise, scope, defines);
        for (const dot of value) out += run(node.body, { ...scope, dot }, defines);
        break;
      }
    }
  }
  return out;
}

function printed(value: Value): string {
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof value)) return String(value);
  throw new TemplateError(`${JSON.stringify(value)} is printed: use toYaml`);
}

function evaluate(pipe: Pipe, scope: Scope, defines: Defines): Value {
  let last: Value;
  for (const [at, [first, ...rest]] of pipe.entries()) {
    const operands = rest.map((operand) => operandValue(operand, scope, defines));
    const values = at === 0 ? operands : [...operands, last];
    if (first?.kind === 'call') last = call(first.name, values, defines);
    else if (first === undefined || at > 0) throw new TemplateError('a pipe into what is no function');
    else last = operandValue(first, scope, defines);
  }
  return last;
}

function call(name: string, values: readonly Value[], defines: Defines): Value {
  if (name === 'include') {
    const [template, data] = values;
    const nodes = defines.get(String(template));
    if (nodes === undefined) throw new TemplateError(`there is no template ${JSON.stringify(template)}`);
    return render(nodes, data, defines);
  }
  const known = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (known === undefined) throw new TemplateError(`the function ${name} is not known here`);
  return known(...values);
}

function operandValue(operand: Operand, scope: Scope, defines: Defines): Value {
  switch (operand.kind) {
    case 'literal':
      return operand.value;
    case 'pipe':
      return evaluate(operand.pipe, scope, defines);
    case 'call':
      return call(operand.name, [], defines);
    case 'field': {
      const { variable, path } = operand;
      let value: Value = variable === null ? scope.dot : variable === '$' ? scope.root : scope.variables.get(variable);
      if (variable !== null && variable !== '$' && !scope.variables.has(variable)) {
        throw new TemplateError(`undefined variable ${variable}`);
      }
      for (const key of path) {
        if (typeof value !== 'object' || value === null)
          throw new TemplateError(`.${path.join('.')}: no map at ${key}`);
        // Go answers nil for a key that a map does not have; here it is a mistake in the chart.
        if (!Object.hasOwn(value, key)) throw new TemplateError(`.${path.join('.')}: there is no ${key}`);
        value = (value as Readonly<Record<string, Value>>)[key];
      }
      return value;
    }
  }
}
