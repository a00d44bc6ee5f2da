import { showable } from '../../../sandbox-apis/_kit/json.ts';
import { heavy } from './heavy.ts';
import { ArrayJoin, MapGet, MapSet, MathMin, StringSlice } from './intrinsics.ts';
import { tag } from './lazy.ts';
import { primitives } from './runtime-hooks.ts';

type Level = 'debug' | 'info' | 'warn' | 'error';

/** Characters of one message; the core has the same limit. */
const MAX_MESSAGE = 16 * 1024;
const MAX_INDENT = 40;
/** Names that `count` and `time` remember. */
const MAX_LABELS = 1000;

const counts = new Map<string, number>();
const starts = new Map<string, number>();
let indent = '';

const text = (value: unknown): string => (typeof value === 'string' ? showable(value) : heavy.inspect().inspect(value));

const plain = (value: unknown): string => showable(String(value));

function substitute(kind: string, value: unknown): string {
  switch (kind) {
    case 's':
      return typeof value === 'bigint' ? `${value}n` : typeof value === 'object' ? text(value) : plain(value);
    case 'd':
    case 'i':
      if (typeof value === 'bigint') return `${value}n`;
      return typeof value === 'object' || typeof value === 'symbol'
        ? 'NaN'
        : String(kind === 'i' ? Number.parseInt(plain(value), 10) : Number(plain(value)));
    case 'f':
      return typeof value === 'symbol'
        ? 'NaN'
        : String(Number.parseFloat(typeof value === 'object' ? '' : plain(value)));
    case 'c':
      return '';
    default:
      return heavy.inspect().inspect(value);
  }
}

/** "Formatter" of the Console standard, for the first argument. */
function format(args: readonly unknown[]): string {
  const first = args[0];
  const parts: string[] = [];
  let next = 1;
  if (typeof first === 'string' && args.length > 1 && showable(first) === first && first.includes('%')) {
    parts[0] = first.replace(/%([sdifoOcj%])/g, (whole, kind: string) => {
      if (kind === '%') return '%';
      return next < args.length ? substitute(kind, args[next++]) : whole;
    });
  } else if (args.length > 0) {
    parts[0] = text(first);
  }
  for (; next < args.length; next++) parts[parts.length] = text(args[next]);
  return ArrayJoin(parts, ' ');
}

function write(level: Level, message: string): void {
  const whole = indent === '' ? message : `${indent}${message}`;
  primitives().console(level, whole.length > MAX_MESSAGE ? `${StringSlice(whole, 0, MAX_MESSAGE)}…` : whole);
}

const label = (value: unknown): string => (value === undefined ? 'default' : plain(value));

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size < MAX_LABELS || map.has(key)) MapSet(map, key, value);
}

function elapsed(name: string): string | null {
  const start = MapGet(starts, name);
  return start === undefined ? null : `${name}: ${(primitives().monotonic() - start).toFixed(3)} ms`;
}

/** `console` of the Console standard; each call is one line of the plugin's log. */
export const console = {
  debug: (...args: unknown[]) => write('debug', format(args)),
  log: (...args: unknown[]) => write('info', format(args)),
  info: (...args: unknown[]) => write('info', format(args)),
  warn: (...args: unknown[]) => write('warn', format(args)),
  error: (...args: unknown[]) => write('error', format(args)),
  trace: (...args: unknown[]) => {
    const holder: { stack?: string } = {};
    Error.captureStackTrace(holder, console.trace);
    write('debug', `Trace: ${format(args)}${String(holder.stack).replace(/^[^\n]*/, '')}`);
  },
  dir: (value?: unknown) => write('info', heavy.inspect().inspect(value)),
  dirxml: (...args: unknown[]) => write('info', format(args)),
  table: (value?: unknown) => write('info', text(value)),
  assert: (condition?: unknown, ...args: unknown[]) => {
    if (!condition) write('error', args.length === 0 ? 'Assertion failed' : `Assertion failed: ${format(args)}`);
  },
  clear: () => {
    indent = '';
  },
  count: (name?: unknown) => {
    const key = label(name);
    const count = (MapGet(counts, key) ?? 0) + 1;
    remember(counts, key, count);
    write('info', `${key}: ${count}`);
  },
  countReset: (name?: unknown) => {
    const key = label(name);
    if (!counts.delete(key)) write('warn', `Count for "${key}" does not exist`);
  },
  time: (name?: unknown) => {
    const key = label(name);
    if (starts.has(key)) write('warn', `Timer "${key}" already exists`);
    else remember(starts, key, primitives().monotonic());
  },
  timeLog: (name?: unknown, ...args: unknown[]) => {
    const key = label(name);
    const passed = elapsed(key);
    if (passed === null) write('warn', `Timer "${key}" does not exist`);
    else write('info', args.length === 0 ? passed : `${passed} ${format(args)}`);
  },
  timeEnd: (name?: unknown) => {
    const key = label(name);
    const passed = elapsed(key);
    starts.delete(key);
    if (passed === null) write('warn', `Timer "${key}" does not exist`);
    else write('info', passed);
  },
  group: (...args: unknown[]) => {
    if (args.length > 0) write('info', format(args));
    indent = ' '.repeat(MathMin(indent.length + 2, MAX_INDENT));
  },
  groupCollapsed: (...args: unknown[]) => console.group(...args),
  groupEnd: () => {
    indent = StringSlice(indent, 2);
  },
};
tag(console, 'console');
