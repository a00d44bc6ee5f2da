import { expect, test } from 'bun:test';
import { type CallFrame, type CpuProfile, joinProfiles } from '../../src/plugins/cpu-profile.ts';

const frame = (functionName: string, lineNumber = 0): CallFrame => ({
  functionName,
  scriptId: '5',
  url: 'plugin:shop',
  lineNumber,
  columnNumber: 0,
});
const ROOT = { id: 1, callFrame: frame('(root)'), hitCount: 0 };
const first: CpuProfile = {
  nodes: [
    { ...ROOT, children: [2, 3] },
    { id: 2, callFrame: frame('(idle)'), hitCount: 1 },
    { id: 3, callFrame: frame('handler', 4), hitCount: 1, children: [4] },
    { id: 4, callFrame: frame('total', 9), hitCount: 2 },
  ],
  startTime: 1_000,
  endTime: 2_000,
  samples: [2, 3, 4, 4],
  timeDeltas: [100, 200, 200, 200],
};
const second: CpuProfile = {
  nodes: [
    { ...ROOT, children: [2] },
    { id: 2, callFrame: frame('handler', 4), hitCount: 0, children: [3, 4] },
    { id: 3, callFrame: frame('total', 9), hitCount: 1 },
    { id: 4, callFrame: frame('other', 20), hitCount: 1 },
  ],
  startTime: 2_500,
  endTime: 3_000,
  samples: [3, 4],
  timeDeltas: [100, 200],
};

test('pieces become one tree with all samples, at the times that they had', () => {
  const { nodes, samples, timeDeltas, startTime, endTime } = joinProfiles([first, second]);
  expect(
    nodes.map(({ id, callFrame, hitCount, children }) => [id, callFrame.functionName, hitCount, children]),
  ).toEqual([
    [1, '(root)', 0, [2, 3]],
    [2, '(idle)', 1, []],
    [3, 'handler', 1, [4, 5]],
    [4, 'total', 3, []],
    [5, 'other', 1, []],
  ]);
  expect(samples).toEqual([2, 3, 4, 4, 4, 5]);
  expect(timeDeltas).toEqual([100, 200, 200, 200, 900, 200]);
  expect([startTime, endTime]).toEqual([1_000, 3_000]);
});

test('nodes are shown where they are said to be', () => {
  const { nodes } = joinProfiles([first], (one) => ({
    ...one,
    url: 'plugin://shop/index.ts',
    lineNumber: one.lineNumber + 1,
  }));
  expect(nodes[3]?.callFrame).toMatchObject({ functionName: 'total', url: 'plugin://shop/index.ts', lineNumber: 10 });
});

test('what is no tree is no reason to fail, or to go on for ever', () => {
  const loop: CpuProfile = {
    ...first,
    nodes: [
      { ...ROOT, children: [2, 99] },
      { id: 2, callFrame: frame('f'), hitCount: 1, children: [1, 2] },
    ],
    samples: [2, 77],
    timeDeltas: [1],
  };
  expect(joinProfiles([loop])).toMatchObject({
    nodes: [{ id: 1, children: [2] }, { id: 2 }],
    samples: [2],
    timeDeltas: [1],
  });
  expect(joinProfiles([])).toMatchObject({ nodes: [], samples: [] });
});
