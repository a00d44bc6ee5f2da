import { CommanderError } from 'commander';
import { CodedError, ERRORS, type Issue } from '../../sandbox-apis/_kit/errors.ts';
import { note, paint, printable } from './terminal.ts';

/** Exit codes: what was asked for was refused or failed, and the command line itself is wrong. */
export const EXIT_REFUSED = 1;
export const EXIT_USAGE = 2;

/** A problem document of RFC 9457, as the core answers it. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly Issue[];
  readonly [member: string]: unknown;
}

/** The core refused a request. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** Anything else that the reader can do something about: `help` says what. */
export class Failure extends Error {
  readonly help: string | undefined;
  readonly exitCode: number;
  constructor(message: string, options: { help?: string; exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Failure';
    this.help = options.help;
    this.exitCode = options.exitCode ?? EXIT_REFUSED;
  }
}

/** Prints why the command failed and answers its exit code. */
export function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed it already; help and version end the same way, with 0.
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  if (error instanceof ProblemError) return printProblem(error.problem);
  if (error instanceof CodedError) {
    const { title, status, help } = ERRORS[error.code];
    return printProblem({ title, status, code: error.code, help, detail: error.message, ...error.extra });
  }
  if (error instanceof Failure) {
    print(error.message, []);
    if (error.help !== undefined) note(printable(error.help));
    return error.exitCode;
  }
  print(error instanceof Error ? (error.stack ?? error.message) : String(error), []);
  return EXIT_REFUSED;
}

function printProblem(problem: Problem): number {
  const { title, code, detail, errors, help, errorId, stack } = problem;
  const lines = [
    ...(detail !== undefined && detail !== title ? [detail] : []),
    ...(errors ?? []).map((issue) => `  ${issue.pointer === '' ? '(whole)' : issue.pointer}: ${issue.message}`),
    ...(typeof stack === 'string' ? framesOf(stack) : []),
    ...(typeof errorId === 'string' ? [`error id ${errorId}`] : []),
    ...(typeof help === 'string' ? [help] : []),
  ];
  print(code === undefined ? `${title} (HTTP ${problem.status})` : `${title} (${code})`, lines);
  return EXIT_REFUSED;
}

/** Where in the plugin's own files it happened, and what caused it; the message above that was printed already. */
function framesOf(stack: string): string[] {
  const lines = stack.split('\n');
  const first = lines.findIndex((line) => line.trimStart().startsWith('at '));
  return first < 0 ? [] : lines.slice(first);
}

function print(headline: string, lines: readonly string[]): void {
  note(`${paint('red', 'error:', process.stderr)} ${printable(headline)}`);
  for (const line of lines) note(printable(line));
}
