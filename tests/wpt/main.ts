/**
 * Runs the web-platform-tests of our areas in real isolates: `bun run wpt --checkout DIR` (docs/authors/conformance.md).
 * Nothing of the suite is part of this repository.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AREAS } from './areas.ts';
import { loadExpectations, updateExpectations } from './expectations.ts';
import { findingsText, table } from './report.ts';
import { type CaseResult, startRunner } from './runner.ts';
import { casesOf, checkCheckout } from './suite.ts';
import { exitCode, isSkipped, tallyOf } from './tally.ts';

const USAGE = `bun run wpt [--checkout DIR] [--area NAME]... [--filter TEXT] [--jobs N] [--update] [--all]
  --checkout  folder of the web-platform-tests; else $WPT_CHECKOUT, else ../wpt
  --area      one of: ${AREAS.map(({ name }) => name).join(', ')}; all when not given
  --filter    only files whose path holds the text
  --jobs      isolates at a time (3)
  --expected  folder of the lists of expected failures (tests/wpt/expected)
  --update    write what fails to the lists, each to be given a reason, and take out what passes
  --all       show every finding, and what needs a browser`;

const { values: options } = parseArgs({
  options: {
    checkout: { type: 'string', default: process.env.WPT_CHECKOUT ?? '../wpt' },
    area: { type: 'string', multiple: true, default: [] },
    filter: { type: 'string', default: '' },
    jobs: { type: 'string', default: '3' },
    expected: { type: 'string', default: join(import.meta.dir, 'expected') },
    update: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const root = resolve(options.checkout);
const unknown = options.area.find((name) => !AREAS.some((area) => area.name === name));
const jobs = Number(options.jobs);
if (unknown !== undefined || !Number.isInteger(jobs) || jobs < 1) {
  console.error(USAGE);
  process.exit(2);
}
try {
  checkCheckout(root);
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}

const plans = AREAS.filter(({ name }) => options.area.length === 0 || options.area.includes(name)).map((area) => {
  const list = loadExpectations(options.expected, area.name);
  const cases = casesOf(root, area).filter(({ path, variant }) => (path + variant).includes(options.filter));
  const skipped = cases.filter((each) => isSkipped(list, each));
  const run = cases.filter((each) => !skipped.includes(each));
  return { area: area.name, run, skipped, results: [] as CaseResult[] };
});
const resultsOf = new Map(plans.flatMap(({ run, results }) => run.map((test) => [test, results] as const)));
{
  await using runner = await startRunner(root, jobs);
  let done = 0;
  await runner.run([...resultsOf.keys()], (result) => {
    resultsOf.get(result.test)?.push(result);
    done += 1;
    if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${resultsOf.size} `);
  });
}
if (options.update) for (const { area, results } of plans) updateExpectations(options.expected, area, results);
const tallies = plans.map(({ area, skipped, results }) =>
  tallyOf(area, skipped, results, loadExpectations(options.expected, area)),
);
const show = (title: string, text: string): void => {
  if (text !== '') console.log(`${title}\n${text}\n`);
};
if (options.all) show('Needs a browser:', findingsText(tallies, 'browser', true));
show(
  'Expected to fail, and passes now (--update takes it off the list):',
  findingsText(tallies, 'passes now', options.all),
);
show('Unexpected failures:', findingsText(tallies, 'unexpected', options.all));
const absent = plans.filter(({ run, skipped }) => run.length + skipped.length === 0);
if (options.filter === '' && absent.length > 0) {
  console.log(`Not in this checkout: ${absent.map(({ area }) => area).join(', ')}\n`);
}
console.log(table(tallies.filter(({ files, browserFiles }) => files + browserFiles > 0)));
// What the kit's database server is made of would keep the process.
process.exit(exitCode(tallies));
