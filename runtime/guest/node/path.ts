import browserify from 'path-browserify';

/** POSIX alone: `path.win32` is not there, and the working directory is `/`. */
const path: Record<string, unknown> = {
  ...browserify,
  win32: undefined,
  toNamespacedPath: (text: unknown) => text,
};
path.posix = path;

export { path as 'module.exports' };
