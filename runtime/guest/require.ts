import { NODE_MODULES, SOCKETS_MODULE } from '../protocol/node-modules.ts';
import { ErrorConstructor, hasOwn, indexOf, SafeMap, slice, stringify } from './intrinsics.ts';
import { loadPart } from './web/parts.ts';

const PREFIX = 'node:';

/**
 * The `require` of a bundle: the modules of a fixed table, each the same object every time. Everything else was bundled.
 *
 * @param connect the sockets of the platform, for `cloudflare:sockets`
 */
export function createRequire(connect: () => unknown): (name: unknown) => unknown {
  const given = new SafeMap<string, unknown>();

  function load(name: string): unknown {
    if (name === SOCKETS_MODULE) return { connect: connect() };
    const short = indexOf(name, PREFIX) === 0 ? slice(name, PREFIX.length) : name;
    const entry = hasOwn(NODE_MODULES, short) ? NODE_MODULES[short] : undefined;
    if (entry === undefined) {
      const error: Error & { code?: string } = new ErrorConstructor(
        `require(${stringify(name)}): everything has to be bundled`,
      );
      error.code = 'MODULE_NOT_FOUND';
      throw error;
    }
    const part = loadPart(`node-${entry[0]}`);
    return entry[1] === undefined ? part : part[entry[1]];
  }

  return (name) => {
    if (typeof name !== 'string') throw new TypeError('require: the name is not a string');
    if (!given.has(name)) given.set(name, load(name));
    return given.get(name);
  };
}
