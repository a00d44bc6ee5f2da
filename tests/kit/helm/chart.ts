import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { parseAllDocuments, parseDocument } from 'yaml';
import { type Node, parseTemplate, TemplateError } from './parse.ts';
import { render } from './render.ts';

// Renders a chart without Helm, of which there is no binary where our tests run: the subset of its templates that ours use
// (parse.ts), the merge of values, and their schema.

export const CHART = fileURLToPath(new URL('../../../deploy/helm/streamspace', import.meta.url));

export type Values = Readonly<Record<string, unknown>>;

// biome-ignore lint/suspicious/noExplicitAny: manifests are of many shapes, and checked against their schemas
export type Manifest = any;

export interface Rendered {
  readonly manifests: readonly Manifest[];
  /** The text of NOTES.txt. */
  readonly notes: string;
  /** The file that each manifest is from. */
  readonly files: readonly string[];
  /** The one manifest of a kind. @throws Error when there is none, or more than one */
  kind(kind: string): Manifest;
}

// Read once: tests render often.
const chart = readYaml('Chart.yaml') as { name: string; version: string; appVersion: string };
const defaults = readYaml('values.yaml') as Values;
const checkSchema = new Ajv({ allErrors: true }).compile(JSON.parse(read('values.schema.json')) as object);
const templates = readdirSync(join(CHART, 'templates'))
  .sort()
  .map((file) => ({ file, ...inFile(file, () => parseTemplate(read(`templates/${file}`))) }));
const defines = new Map<string, readonly Node[]>(templates.flatMap((one) => [...one.defines]));

/** What `helm template streamspace deploy/helm/streamspace --namespace apps -f values` would print. */
export function renderChart(values: Values = {}, release = 'streamspace'): Rendered {
  const merged = merge(defaults, values);
  checkValues(merged);
  const data = {
    Values: merged,
    Chart: { Name: chart.name, Version: chart.version, AppVersion: chart.appVersion },
    Release: { Name: release, Namespace: 'apps', Service: 'Helm' },
  };
  let notes = '';
  const found: { file: string; manifest: Manifest }[] = [];
  for (const { file, nodes } of templates) {
    const text = inFile(file, () => render(nodes, data, defines));
    if (file === 'NOTES.txt') notes = text;
    else if (!file.startsWith('_')) found.push(...documents(text, file).map((manifest) => ({ file, manifest })));
  }
  const manifests = found.map(({ manifest }) => manifest);
  return {
    manifests,
    notes,
    files: found.map(({ file }) => file),
    kind(kind) {
      const [only, ...more] = manifests.filter((manifest) => manifest.kind === kind);
      if (only === undefined || more.length > 0)
        throw new Error(`there are ${more.length + Number(only !== undefined)} ${kind}`);
      return only;
    },
  };
}

function read(path: string): string {
  return readFileSync(join(CHART, path), 'utf8');
}

function readYaml(path: string): unknown {
  const document = parseDocument(read(path), { uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  return document.toJS();
}

function documents(text: string, file: string): Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true }).flatMap((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw new Error(`${file}: ${problem.message}\n${text}`);
    const manifest: Manifest = document.toJS();
    return manifest === null ? [] : [manifest];
  });
}

function inFile<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new TemplateError(`${file}: ${error.message}`);
    throw error;
  }
}

/** Maps are merged, anything else replaces what was there; null takes a key away. */
function merge(base: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    if (value === null) delete merged[key];
    else merged[key] = isMap(before) && isMap(value) ? merge(before, value) : value;
  }
  return merged;
}

function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As Helm does before it renders. @throws Error that names what is wrong */
function checkValues(values: Values): void {
  if (checkSchema(values)) return;
  throw new Error(new Ajv().errorsText(checkSchema.errors, { dataVar: 'values' }));
}
