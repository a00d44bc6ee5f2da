import { describe, expect, test } from 'bun:test';
import { parseTemplate, TemplateError } from '../kit/helm/parse.ts';
import { render } from '../kit/helm/render.ts';

// The renderer does what Go's text/template, Sprig and Helm do with what our chart uses, and refuses the rest.

const DATA = {
  name: 'a',
  list: [{ host: 'x' }, { host: 'z' }],
  none: [],
  zero: 0,
  three: 3,
  map: { b: 1, a: [] },
  off: false,
};

function run(template: string): string {
  const { nodes, defines } = parseTemplate(template);
  return render(nodes, DATA, defines);
}

// Each was also run by Go 1.19 with Sprig 3.2.3 (Debian's packages): the same text.
test.each([
  ['a {{- /* comment */ -}} b', 'ab'],
  ['a\n  {{- if .name }}\n  b\n  {{- end }}\nc', 'a\n  b\nc'],
  ['a {{ .name }} {{- " b" }}', 'a a b'],
  ['{{ if .none }}1{{ else if .zero }}2{{ else if .three }}3{{ else }}4{{ end }}', '3'],
  ['{{ with .name }}{{ . }}{{ $.three }}{{ end }}{{ with .none }}1{{ else }}{{ .name }}{{ end }}', 'a3a'],
  ['{{ range .list }}{{ .host }}{{ $.name }}{{ end }}{{ range .none }}1{{ else }}0{{ end }}', 'xaza0'],
  ['{{ $x := "1" }}{{ if .name }}{{ $x := "2" }}{{ $x }}{{ end }}{{ $x }}', '21'],
  ['{{ define "t" }}[{{ .host }}]{{ end }}{{ range .list }}{{ include "t" . }}{{ end }}', '[x][z]'],
  ['{{ and .name .zero | quote }}{{ or .zero "" "b" }}{{ not .none }}', '"0"btrue'],
  ['{{ if and .name (gt (int .three) 2) (ne .name "b") (eq .name "a") }}y{{ end }}', 'y'],
  ['{{ printf "%s-%s" .name "b" | trunc 2 | trimSuffix "-" }}', 'a'],
  ['{{ default "d" .none }}{{ default "d" .name }}{{ contains "b" "abc" }}{{ replace "+" "_" "1+2" }}', 'datrue1_2'],
  ['{{ quote .three }}{{ int .three | quote }}{{ "a\\"b" | quote }}', '"3""3""a\\"b"'],
  ['k:{{ toYaml .list | nindent 2 }}', 'k:\n  - host: x\n  - host: z'],
  ['{{ toYaml .none }}{{ sha256sum "a" | trunc 8 }}', '[]ca978112'],
])('%j prints %j', (template, expected) => {
  expect(run(template)).toBe(expected);
});

describe('is refused', () => {
  test.each([
    ['an action without an end', '{{ .name'],
    ['a block without an end', '{{ if .name }}'],
    ['an end without a block', '{{ end }}'],
    ['two else', '{{ if .name }}{{ else }}{{ else }}{{ end }}'],
    ['a dash without a space', '{{-.name}}'],
    ['an unknown function', '{{ lookup "v1" "Pod" "" "" }}'],
    ['an unknown block', '{{ block "a" . }}{{ end }}'],
    ['a key that is not there', '{{ .nmae }}'],
    ['a field of nothing', '{{ .name.first }}'],
    ['a variable that is not there', '{{ $y }}'],
    ['a template that is not there', '{{ include "none" . }}'],
    ['a map that is printed', '{{ .map }}'],
    ['an int beside a float64', '{{ gt .three 2 }}'],
    ['texts beside numbers', '{{ eq .name 1 }}'],
    ['a pipe into a value', '{{ .name | .three }}'],
    ['parentheses', '{{ quote (.name }}'],
    ['range with variables', '{{ range $k, $v := .map }}{{ end }}'],
    ['what the chart itself refuses', '{{ fail "no" }}'],
  ])('%s', (_what, template) => {
    expect(() => run(template)).toThrow(TemplateError);
  });
});
