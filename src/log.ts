import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './config.ts';

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
 */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const paths = [
    ...SECRET_KEYS.flatMap((key) => [key, `*.${key}`]),
    ...SECRET_HEADERS.flatMap((name) => [`headers["${name}"]`, `*.headers["${name}"]`]),
  ];
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths, censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
