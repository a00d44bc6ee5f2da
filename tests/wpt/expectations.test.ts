import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectationOf, idOf, loadExpectations, skipReason, updateExpectations } from './expectations.ts';
import type { CaseResult } from './runner.ts';
import { exitCode, tallyOf } from './tally.ts';

const PATH = 'url/x.any.js';
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function listFolder(list: object = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'wpt-lists-'));
  folders.push(folder);
  writeFileSync(join(folder, 'url.json'), JSON.stringify(list));
  return folder;
}

function result(statuses: Record<string, number>, harness: CaseResult['harness'] = null): CaseResult {
  const subtests = Object.entries(statuses).map(([name, status]) => ({ name, status, message: `it is ${status}` }));
  return { test: { path: PATH, variant: '', timeoutMs: 1 }, subtests, harness };
}

const kinds = (tally: { findings: readonly { kind: string; subtest: string }[] }) =>
  tally.findings.map(({ kind, subtest }) => [kind, subtest]);

test('an entry names subtests by digest, by pattern, or all of the file', () => {
  const covers = (subtests: string[] | undefined, name: string) =>
    expectationOf({ [PATH]: [{ reason: 'so', ...(subtests && { subtests }) }] }, PATH, name) !== null;
  expect(covers([idOf('one')], 'one')).toBe(true);
  expect(covers([idOf('one')], 'two')).toBe(false);
  expect(covers(['/^on/'], 'one')).toBe(true);
  expect(covers(['/./'], 'harness')).toBe(false);
  expect(covers(['harness'], 'harness')).toBe(true);
  expect(covers(undefined, 'anything')).toBe(true);
});

test('only a whole file that needs a browser is not run', () => {
  const skip = (entry: object) => skipReason({ [PATH]: [{ reason: 'pages', ...entry }] }, PATH);
  expect(skip({ needs: 'browser' })).toBe('pages');
  expect(skip({ needs: 'browser', subtests: ['/x/'] })).toBeNull();
  expect(skip({})).toBeNull();
});

test('failures are counted by what the list says of them', () => {
  const list = {
    [PATH]: [
      { reason: 'known', subtests: [idOf('known'), idOf('mended')] },
      { reason: 'pages', needs: 'browser' as const, subtests: ['/page/'] },
      { reason: '?', subtests: [idOf('noted')] },
    ],
  };
  const statuses = { fine: 0, known: 1, mended: 0, 'a page': 1, noted: 1, new: 1, late: 2 };
  const tally = tallyOf('url', [], [result(statuses)], list);
  expect(tally).toMatchObject({ files: 1, subtests: 6, passed: 2, expected: 1, unexpected: 3, timeouts: 1 });
  expect(tally.browserSubtests).toBe(1);
  expect(kinds(tally)).toEqual([
    ['passes now', 'mended'],
    ['browser', 'a page'],
    ['unexpected', 'noted'],
    ['unexpected', 'new'],
    ['unexpected', 'late'],
  ]);
});

test('a run that breaks as a whole is one failure', () => {
  const broken = result({ fine: 0 }, { kind: 'error', message: 'at the top' });
  expect(tallyOf('url', [], [broken], {})).toMatchObject({ subtests: 2, passed: 1, unexpected: 1, timeouts: 0 });
  const known = { [PATH]: [{ reason: 'known', subtests: ['harness'] }] };
  expect(tallyOf('url', [], [broken], known)).toMatchObject({ expected: 1, unexpected: 0 });
});

test('an update notes what fails without a reason, and takes out what passes', () => {
  const other = { 'url/other.any.js': [{ reason: 'not run', subtests: ['000000000000'] }] };
  const folder = listFolder({
    ...other,
    [PATH]: [
      { reason: 'known', subtests: [idOf('known'), idOf('mended')] },
      { reason: 'gone', subtests: [idOf('mended')] },
      { reason: 'a kind', subtests: ['/^kind/'] },
    ],
  });
  updateExpectations(folder, 'url', [result({ known: 1, mended: 0, 'kind of': 1, new: 1 }, null)]);
  expect(loadExpectations(folder, 'url')).toEqual({
    ...other,
    [PATH]: [
      { reason: 'known', subtests: [idOf('known')] },
      { reason: 'a kind', subtests: ['/^kind/'] },
      { reason: '?', subtests: [idOf('new')] },
    ],
  });
  const tally = tallyOf('url', [], [result({ new: 1 })], loadExpectations(folder, 'url'));
  expect(tally.unexpected).toBe(1);
});

test('a subtest stays on the list while one of its variants fails', () => {
  const folder = listFolder({ [PATH]: [{ reason: 'known', subtests: [idOf('known')] }] });
  updateExpectations(folder, 'url', [result({ known: 0 }), result({ known: 1 })]);
  expect(loadExpectations(folder, 'url')[PATH]).toEqual([{ reason: 'known', subtests: [idOf('known')] }]);
});

test('the command succeeds when every failure is accounted for', () => {
  expect(exitCode([{ unexpected: 0 }, { unexpected: 0 }])).toBe(0);
  expect(exitCode([{ unexpected: 0 }, { unexpected: 1 }])).toBe(1);
});
