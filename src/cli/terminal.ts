import { stderr, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Colours a text for one of the two streams: only on a terminal, and never under NO_COLOR (https://no-color.org). */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = stdout): string {
  const plain = !stream.isTTY || (process.env.NO_COLOR ?? '') !== '';
  return plain ? text : styleText(style, text, { validateStream: false });
}

/** Makes text of others safe to print: control characters, which move the cursor or rename the window, become `\xNN`. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
  const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
  return text.replace(control, (character) => {
    const code = character.charCodeAt(0);
    return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}

/** Prints a line of the command's result on standard output. */
export function say(line = ''): void {
  stdout.write(`${line}\n`);
}

/** Prints a line about the command (progress, questions, errors) on standard error, so that results can be piped. */
export function note(line = ''): void {
  stderr.write(`${line}\n`);
}

/** Lays rows out in columns; the first row is the heading. Cells are made printable, widths count terminal cells. */
export function table(rows: readonly (readonly string[])[], stream: NodeJS.WriteStream = stdout): string[] {
  const cells = rows.map((row) => row.map((cell) => printable(cell).replaceAll('\n', ' ')));
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => Bun.stringWidth(row[column] ?? ''))),
  );
  return cells.map((row, index) => {
    const padded = row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - Bun.stringWidth(cell)));
    const line = padded.join('  ').trimEnd();
    return index === 0 ? paint('bold', line, stream) : line;
  });
}

/** Whether somebody is there to answer a question. */
export function isInteractive(): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}

/** Asks on standard error; what is typed for a secret is not shown. */
export async function ask(question: string, options: { readonly secret?: boolean } = {}): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: options.secret ? silent : stderr, terminal: isInteractive() });
  try {
    if (options.secret) stderr.write(question);
    return (await lines.question(options.secret ? '' : question)).trim();
  } finally {
    lines.close();
    if (options.secret) stderr.write('\n');
  }
}

/**
 * Shows on a terminal that something is still going on once it has taken a second; prints nothing elsewhere.
 *
 * @param label what, or what answers each second how far it is
 */
export async function withProgress<T>(label: string | (() => string), work: Promise<T>): Promise<T> {
  if (!stderr.isTTY) return work;
  const start = performance.now();
  const show = () => {
    const text = typeof label === 'string' ? label : label();
    stderr.write(`\r${text} ${Math.round((performance.now() - start) / 1000)} s\u001b[K`);
  };
  const timer = setInterval(show, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    stderr.write('\r\u001b[2K');
  }
}
