import type { Stage } from '../context.ts';
import { fixtureName, orderRequest, smallRequest } from '../fixtures.ts';
import { compare } from './compare.ts';

/**
 * With one connection the two processes may share a processor or not, which changes the time of a round trip by half:
 * many short runs meet both.
 */
const SINGLE = { rounds: 3, runMs: 1 / 3 } as const;

/** One plugin against bare Elysia: small answers with many connections and one, 10 KB bodies, and an open endpoint. */
export async function measureOnePlugin(stage: Stage): Promise<void> {
  const { effort, member, report } = stage;
  const name = fixtureName(1);
  const small = { bare: [smallRequest(null, member)], plugin: [smallRequest(name, member)] };
  const order = { bare: [orderRequest(null, member)], plugin: [orderRequest(name, member)] };

  const small32 = await compare(stage, { what: 'small, 32 connections', connections: 32, ...small });
  report.set('small32', small32.throughput, small32.spread);
  const single = { ...effort, rounds: effort.rounds * SINGLE.rounds, runMs: effort.runMs * SINGLE.runMs };
  const small1 = await compare({ ...stage, effort: single }, { what: 'small, 1 connection', connections: 1, ...small });
  report.set('small1', small1.p50);
  const order32 = await compare(stage, { what: '10 KB in and out, 32 connections', connections: 32, ...order });
  report.set('order32', order32.throughput, order32.spread);
  const open = small.plugin.map((request) => ({ ...request, path: `/api/plugins/${name}/open`, headers: {} }));
  const open32 = await compare(stage, {
    what: 'small, open, 32 connections',
    connections: 32,
    bare: small.bare.map((request) => ({ ...request, headers: {} })),
    plugin: open,
  });
  report.set('open32', open32.throughput, open32.spread);
}

/** Every plugin in turn. */
export async function measureManyPlugins(stage: Stage): Promise<void> {
  const { effort, member, report } = stage;
  const plugin = Array.from({ length: effort.plugins }, (_, index) => smallRequest(fixtureName(index + 1), member));
  const many = await compare(stage, {
    what: `small, 32 connections, ${effort.plugins} plugins in turn`,
    connections: 32,
    bare: [smallRequest(null, member)],
    plugin,
  });
  report.set('small32Many', many.throughput, many.spread);
}
