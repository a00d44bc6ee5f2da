/** Where a node of a profile is; lines and columns from 0 (Runtime.CallFrame). */
export interface CallFrame {
  readonly functionName: string;
  readonly scriptId: string;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/** Profiler.ProfileNode of the Chrome DevTools Protocol, as far as it is kept: ticks by line are those of the bundle. */
export interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly hitCount: number;
  readonly children?: readonly number[];
}

/** Profiler.Profile: what a `.cpuprofile` holds. Times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  /** Nodes by id; each `timeDeltas` after the one before. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Node {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children: number[];
  hitCount: number;
}

/**
 * Makes one profile of several that follow each other: one tree, all samples.
 *
 * @param placeOf where a node is to be shown; equal places below one node become one
 */
export function joinProfiles(
  profiles: readonly CpuProfile[],
  placeOf: (frame: CallFrame) => CallFrame = (frame) => frame,
): CpuProfile {
  const nodes = new Map<string, Node>();
  const samples: number[] = [];
  const timeDeltas: number[] = [];
  const startTime = profiles[0]?.startTime ?? 0;
  let last = startTime;

  const nodeOf = (parent: Node | null, frame: CallFrame): Node => {
    const { functionName, scriptId, url, lineNumber, columnNumber } = frame;
    const key = JSON.stringify([parent?.id ?? 0, functionName, scriptId, url, lineNumber, columnNumber]);
    let node = nodes.get(key);
    if (node === undefined) {
      node = { id: nodes.size + 1, callFrame: placeOf(frame), hitCount: 0, children: [] };
      nodes.set(key, node);
      parent?.children.push(node.id);
    }
    return node;
  };

  for (const profile of profiles) {
    const byId = new Map(profile.nodes.map((node) => [node.id, node]));
    const joined = new Map<number, number>();
    const root = profile.nodes[0];
    const open: [parent: Node | null, node: ProfileNode][] = root === undefined ? [] : [[null, root]];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [parent, { id, callFrame, hitCount, children = [] }] = next;
      // A tree has each node once.
      if (joined.has(id)) continue;
      const node = nodeOf(parent, callFrame);
      node.hitCount += hitCount;
      joined.set(id, node.id);
      for (const child of children.toReversed()) {
        const found = byId.get(child);
        if (found !== undefined) open.push([node, found]);
      }
    }
    let at = profile.startTime;
    for (const [index, sample] of profile.samples.entries()) {
      at += profile.timeDeltas[index] ?? 0;
      const id = joined.get(sample);
      if (id === undefined) continue;
      samples.push(id);
      timeDeltas.push(at - last);
      last = at;
    }
  }
  const endTime = profiles.at(-1)?.endTime ?? startTime;
  return { nodes: [...nodes.values()], startTime, endTime, samples, timeDeltas };
}
