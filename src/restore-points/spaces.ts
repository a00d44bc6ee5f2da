const MARK = '@';

/**
 * The name under which a version that is being loaded keeps its keys and files, apart from those of the version that serves:
 * no plugin can have it. What it changes there is the plugin's with the change that it is loaded for, or never was.
 *
 * @param point the restore point of that change
 */
export function spaceName(plugin: string, point: number): string {
  return `${plugin}${MARK}${point}`;
}

/** The plugin of a space; any other name is its own. */
export function ownerOf(name: string): string {
  return name.split(MARK)[0] ?? name;
}
