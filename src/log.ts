import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './config.ts';
import { logFields } from './telemetry/scope.ts';

export type Log = Logger;

/** Keys whose values never reach the log, at the top or one level down; of headers two (`req.headers`). */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'password',
  'token',
  'secret',
  'secretKey',
  'adminPassword',
  'databaseUrl',
];
const SECRET_HEADERS = ['authorization', 'cookie', 'set-cookie', 'x-csrf-token'];

/**
 * Makes the logger: one JSON object a line, ISO 8601 time, level by name; values under secret keys are replaced.
 *
 * @param destination where the lines go; standard output when not given
 * @param mask what becomes of each line at the very end, JSON as it is: the last chance to find a secret in it
 */
export function createLog(level: LogLevel, destination?: DestinationStream, mask?: (line: string) => string): Log {
  const paths = [
    ...SECRET_KEYS.flatMap((key) => [key, `*.${key}`]),
    ...SECRET_HEADERS.flatMap((name) => [`headers["${name}"]`, `*.headers["${name}"]`]),
  ];
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // Which request and span a line belongs to.
    mixin: () => logFields(),
    redact: { paths, censor: '[redacted]' },
    ...(mask === undefined ? {} : { hooks: { streamWrite: mask } }),
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
