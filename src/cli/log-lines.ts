import type { LogLevel } from '../../sandbox-apis/log/levels.ts';
import type { LogEntry } from '../plugins/plugin-log.ts';
import { paint, printable, type Style } from './terminal.ts';

const STYLES: Readonly<Partial<Record<LogLevel, Style>>> = { debug: 'dim', warn: 'yellow', error: 'red', fatal: 'red' };

/** A line of a plugin's log for a terminal: its fields behind it, its stack below it. */
export function formatEntry({ time, level, message, fields = {} }: LogEntry): string {
  const { stack, ...others } = fields;
  const extra = Object.entries(others).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  const label = level.toUpperCase().padEnd(5);
  const style = STYLES[level];
  const head = `${paint('dim', printable(time))} ${style === undefined ? printable(label) : paint(style, printable(label))}`;
  const below = typeof stack === 'string' ? stackLines(stack, message) : [];
  return [`${head} ${printable(message)}${paint('dim', printable(extra.join('')))}`, ...below].join('\n');
}

/** The stack, without the message that was printed already. */
function stackLines(stack: string, message: string): string[] {
  const rest = stack.startsWith(message) ? stack.slice(message.length).replace(/^\n/, '') : stack;
  return rest === '' ? [] : rest.split('\n').map((line) => printable(line));
}
