import { sep } from 'node:path';

/** Files of editors and tools that are no part of a plugin. @param file path below the plugin's folder */
export function isNoise(file: string): boolean {
  return file.split(sep).some((part) => part.startsWith('.git') || part.endsWith('~') || /\.sw[a-z]$/.test(part));
}
