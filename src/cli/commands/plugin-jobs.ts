import { type Command, InvalidArgumentError } from 'commander';
import type { RunView } from '../../schedules/history.ts';
import type { JobStatus } from '../../schedules/types.ts';
import { connect } from '../client.ts';
import { pluginPath } from '../plugins.ts';
import { note, printable, say, table } from '../terminal.ts';

interface Options {
  readonly json?: true;
}

const RUN_WORDS = ['queued', 'running', 'ok', 'failed', 'skipped', 'lost', 'aborted'];

/** `streamspace plugin jobs`: what a plugin runs on a schedule, and how it went. */
export function addPluginJobs(parent: Command): void {
  const jobs = parent.command('jobs').description('see, run, pause and resume the jobs of a plugin');
  jobs
    .command('list')
    .description('show the jobs of a plugin')
    .argument('<plugin>', 'name')
    .option('--json', 'as the REST API answers')
    .action(list);
  jobs
    .command('runs')
    .description('show the runs of a job, newest first')
    .argument('<plugin>', 'name')
    .argument('<job>', 'name')
    .option('-n, --lines <count>', 'so many, at most', countOf, 20)
    .option('--state <state>', `only those: ${RUN_WORDS.join(', ')}`, stateOf)
    .option('--log', 'with the lines that the plugin logged meanwhile')
    .option('--json', 'as the REST API answers')
    .action(runs);
  jobs
    .command('run')
    .description('run a job now; also one that is paused')
    .argument('<plugin>', 'name')
    .argument('<job>', 'name')
    .action(async (plugin: string, job: string) => {
      const { id, state } = await connect().call<{ id: number; state: string }>('POST', pathOf(plugin, job, 'run'));
      say(printable(state === 'queued' ? `Run ${id} of ${job} waits for its turn.` : `Run ${id} of ${job} has begun.`));
    });
  for (const [word, done] of [
    ['pause', 'is paused'],
    ['resume', 'goes on'],
  ] as const) {
    jobs
      .command(word)
      .description(word === 'pause' ? 'let a job rest until it is resumed' : 'let a paused job go on')
      .argument('<plugin>', 'name')
      .argument('<job>', 'name')
      .action(async (plugin: string, job: string) => {
        const { nextRunAt } = await connect().call<JobStatus>('POST', pathOf(plugin, job, word));
        say(printable(`${job} ${done}.${nextRunAt === null ? '' : ` Next: ${nextRunAt}`}`));
      });
  }
}

async function list(plugin: string, { json }: Options): Promise<void> {
  const { jobs } = await connect().call<{ jobs: readonly JobStatus[] }>('GET', pluginPath(plugin, '/jobs'));
  if (json) {
    say(JSON.stringify(jobs, null, 2));
    return;
  }
  if (jobs.length === 0) {
    note(printable(`${plugin} has no jobs.`));
    return;
  }
  const rows = jobs.map((job) => [
    job.name,
    job.cron === null ? `every ${(job.everyMs ?? 0) / 1000} s` : `${job.cron} (${job.timezone})`,
    job.pausedAt === null ? (job.running ? 'running' : 'waiting') : 'paused',
    job.nextRunAt ?? '',
    job.lastRunAt ?? '',
    job.lastDurationMs === null ? '' : `${job.lastDurationMs} ms`,
    job.lastError ?? '',
  ]);
  for (const line of table([['JOB', 'WHEN', 'STATE', 'NEXT', 'LAST', 'TOOK', 'ERROR'], ...rows])) say(line);
}

async function runs(
  plugin: string,
  job: string,
  { lines, state, log, json }: Options & { readonly lines: number; readonly state?: string; readonly log?: true },
): Promise<void> {
  const query = `?limit=${lines}${state === undefined ? '' : `&state=${state}`}`;
  const { items } = await connect().call<{ items: readonly RunView[] }>(
    'GET',
    `${pathOf(plugin, job, 'runs')}${query}`,
  );
  if (json) {
    say(JSON.stringify(items, null, 2));
    return;
  }
  if (items.length === 0) {
    note(printable(`${job} of ${plugin} has no such runs.`));
    return;
  }
  const rows = items.map((run) => [
    String(run.id),
    run.trigger,
    run.scheduledAt ?? '',
    run.startedAt ?? '',
    run.durationMs === null ? '' : `${run.durationMs} ms`,
    run.attempt > 1 ? `${run.state} (attempt ${run.attempt})` : run.state,
    [run.error, run.place].filter((part) => part !== null).join(' at '),
  ]);
  const [heading, ...shown] = table([['RUN', 'TRIGGER', 'TICK', 'BEGAN', 'TOOK', 'STATE', 'ERROR'], ...rows]);
  say(heading);
  for (const [at, line] of shown.entries()) {
    say(line);
    if (!log) continue;
    for (const { time, level, message } of items[at]?.log ?? []) say(printable(`    ${time} ${level} ${message}`));
  }
}

function pathOf(plugin: string, job: string, what: string): string {
  return pluginPath(plugin, `/jobs/${encodeURIComponent(job)}/${what}`);
}

function countOf(value: string): number {
  const count = Number(value);
  if (/^\d{1,3}$/.test(value) && count >= 1 && count <= 200) return count;
  throw new InvalidArgumentError('It is a number from 1 to 200.');
}

function stateOf(value: string): string {
  if (RUN_WORDS.includes(value)) return value;
  throw new InvalidArgumentError(`It is one of ${RUN_WORDS.join(', ')}.`);
}
