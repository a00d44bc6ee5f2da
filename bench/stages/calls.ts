import { createPool, type DbSocket } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { CALLER, ONE_ROW, packCaller } from '../calls-fixture.ts';
import type { Stage } from '../context.ts';
import { KEYS, repeat } from '../repeat.ts';
import { progress } from '../report.ts';
import { median, short } from '../stats.ts';
import type { Measure } from '../targets.ts';

/** Connections that the core has to its database, and to that of a plugin: the yardstick has no more. */
const CORE_CONNECTIONS = 20;
const PLUGIN_CONNECTIONS = 4;
const MANY = 32;
const ONE_ENTRY = `select value, version from plugin_storage s
  where plugin_name = $1 and key = $2 and (s.expires_at is null or s.expires_at > now())`;

type Comparison = Readonly<{
  what: string;
  /** Calls under way at a time. */
  atOnce: number;
  /** Endpoint of the plugin that makes the calls. */
  path: string;
  /** The same from the core. */
  core: (n: number) => Promise<unknown>;
}>;

/**
 * Calls of a plugin against the same statements from the core: on the same server, in turn, and timed where they are made,
 * so that no HTTP is in it. This process stands for the core: it has the core's driver and as many connections.
 */
export async function measureCalls({ effort, product, scratch, report }: Stage, address: DbSocket): Promise<void> {
  await product.install(await packCaller(scratch));
  const log = createLog('warn');
  const coreDb = createPool({ address, max: CORE_CONNECTIONS, log });
  const found = await coreDb.query('select database from plugin_databases where plugin_name = $1', [CALLER]);
  const database = String(found.rows[0]?.database);
  const pluginDb = createPool({ address: { ...address, database }, max: PLUGIN_CONNECTIONS, log });

  /** Microseconds a call of each round. */
  async function compare({ what, atOnce, path, core }: Comparison): Promise<{ guest: number; core: number }[]> {
    progress(what);
    const total = atOnce === 1 ? effort.calls : effort.calls * 4;
    const us = (ms: number) => (ms * 1000) / total;
    const inGuest = async () => {
      const asked = `/api/plugins/${CALLER}/${path}?total=${total}&atOnce=${atOnce}`;
      return us(((await product.call('GET', asked)) as { ms: number }).ms);
    };
    const inCore = async () => us(await repeat(total, atOnce, core));
    // Not counted: code is compiled, connections are made.
    await inGuest();
    await inCore();
    const runs: { guest: number; core: number }[] = [];
    for (let round = 0; round < effort.rounds; round += 1) {
      if (round % 2 === 0) runs.push({ guest: await inGuest(), core: await inCore() });
      else runs.push({ core: await inCore(), guest: await inGuest() });
    }
    return runs;
  }

  /** One at a time: a time, as a multiple. Many at a time: a throughput, as a share. */
  async function row(measure: Measure, comparison: Comparison): Promise<void> {
    const runs = await compare(comparison);
    const ratio = median(runs.map(({ guest, core }) => (comparison.atOnce === 1 ? guest / core : core / guest)));
    const each = (side: 'guest' | 'core') => short(median(runs.map((run) => run[side])));
    report.set(measure, ratio, `${each('guest')} us a call, from the core ${each('core')}`);
  }

  const get = { path: 'get', core: (n: number) => coreDb.query(ONE_ENTRY, [CALLER, `key-${n % KEYS}`]) };
  const query = {
    path: 'query',
    core: (n: number) => pluginDb.query(ONE_ROW.replace('things', 'plugin.things'), [n % KEYS]),
  };
  try {
    await row('storageGet', { what: 'storage.get', atOnce: 1, ...get });
    await row('storageGetMany', { what: `storage.get, ${MANY} at a time`, atOnce: MANY, ...get });
    await row('query', { what: 'database.query', atOnce: 1, ...query });
    await row('queryMany', { what: `database.query, ${MANY} at a time`, atOnce: MANY, ...query });
  } finally {
    await Promise.all([coreDb.end(), pluginDb.end()]);
  }
}
