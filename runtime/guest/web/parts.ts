import { shared } from 'shared:core';
import { MapGet, MapSet } from './intrinsics.ts';
import { primitives } from './runtime-hooks.ts';

type Part = Readonly<Record<string, unknown>>;

// Put there by src/host/prelude-build.ts: the globals as the isolate started with them.
declare const __kept: Readonly<Record<string, unknown>>;
declare const __evaluate: (
  text: string,
) => (kept: typeof __kept, modules: object, load: (name: string) => Part) => Part;

const parts = new Map<string, Part>();

/**
 * Evaluates a part of the web platform or a module of Node, at its first use: the host gives its text, so that an isolate holds nothing of
 * what its plugin does not touch. (isolated-vm can give no cached code to an isolate that is running.)
 */
export function loadPart(name: string): Part {
  let part = MapGet(parts, name);
  if (part === undefined) {
    part = __evaluate(primitives().source(name))(__kept, shared, loadPart);
    MapSet(parts, name, part);
  }
  return part;
}
