import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Glob } from 'bun';
import { Copy, DockerfileParser, type From, type Instruction } from 'dockerfile-ast';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DOCKERFILE = await Bun.file(join(ROOT, 'Dockerfile')).text();

export interface StageCopy {
  /** The stage that it copies from; null is the folder that is built. */
  readonly from: string | null;
  readonly sources: readonly string[];
  readonly target: string;
}

export interface Stage {
  readonly name: string;
  readonly image: string;
  readonly copies: readonly StageCopy[];
  /** Arguments of all instructions of a kind, such as `USER`. */
  of(keyword: string): readonly string[];
}

/** The stages of the Dockerfile, in their order. */
export function stages(): readonly Stage[] {
  const all = DockerfileParser.parse(DOCKERFILE).getInstructions();
  const starts = all.flatMap((instruction, at) => (instruction.getKeyword() === 'FROM' ? [at] : []));
  return starts.map((start, index) => {
    const from = all[start] as From;
    const own = all.slice(start + 1, starts[index + 1]);
    return {
      name: from.getBuildStage() ?? '',
      image: from.getImage() ?? '',
      copies: own.filter((instruction) => instruction instanceof Copy).map(readCopy),
      of: (keyword) =>
        own.filter((one) => one.getKeyword() === keyword).map((one) => one.getRawArgumentsContent() ?? ''),
    };
  });
}

export function stage(name: string): Stage {
  const found = stages().find((one) => one.name === name);
  if (found === undefined) throw new Error(`the Dockerfile has no stage ${name}`);
  return found;
}

function readCopy(instruction: Instruction): StageCopy {
  const words = instruction.getArguments().map((word) => word.getValue());
  const flags = (instruction as Copy).getFlags().map((flag) => flag.toString());
  const from = flags.find((flag) => flag.startsWith('--from='))?.slice('--from='.length) ?? null;
  return { from, sources: words.slice(0, -1), target: words.at(-1) ?? '' };
}

/** The files of the repository that a source of COPY names: itself, or what its pattern finds. */
export function sourcesOf(pattern: string): string[] {
  if (!pattern.includes('*')) return [pattern];
  return [...new Glob(pattern).scanSync({ cwd: ROOT })].sort();
}

/** Lays out what a stage copies from the repository, and from `node_modules` of the stage that installs. */
export async function layOut(name: string, folder: string): Promise<void> {
  for (const { from, sources, target } of stage(name).copies) {
    const inFolder = target.startsWith('./');
    if (from !== null && !sources.every((source) => source.startsWith('/app/node_modules/'))) continue;
    if (!inFolder) throw new Error(`COPY to ${target}: only folders of /app are laid out`);
    const found = sources.flatMap((source) => sourcesOf(source.replace(/^\/app\//, '')));
    const intoFolder = target.endsWith('/');
    for (const source of found) {
      const to = intoFolder ? join(folder, target, source.split('/').at(-1) ?? '') : join(folder, target);
      await mkdir(dirname(to), { recursive: true });
      await cp(join(ROOT, source), to, { recursive: true });
    }
  }
}
