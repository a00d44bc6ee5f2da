import type { Command } from 'commander';
import { ConfigError, loadConfig } from '../../config.ts';
import { checkBun } from '../checks/bun.ts';
import type { Check, Finding } from '../checks/check.ts';
import { checkConfinement } from '../checks/confinement.ts';
import { checkDataFolder } from '../checks/data-folder.ts';
import { checkDatabase } from '../checks/database.ts';
import { checkHost } from '../checks/host.ts';
import { checkNode } from '../checks/node.ts';
import { checkPort } from '../checks/port.ts';
import { normaliseUrl } from '../credentials.ts';
import { Failure } from '../failure.ts';
import { paint, printable, type Style, say } from '../terminal.ts';

const CHECKS: readonly Check[] = [checkBun, checkNode, checkDatabase, checkDataFolder, checkConfinement, checkPort];
const STYLES: Readonly<Record<Finding['state'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red' };

/** `streamspace doctor`: what of this machine works, what does not, and what to do about it. */
export function addDoctor(parent: Command): void {
  parent
    .command('doctor')
    .description('check this machine with the environment that the host would start with')
    .argument('[url]', 'a running host to ask as well')
    .option('--json', 'one JSON array')
    .action(doctor);
}

async function doctor(url: string | undefined, options: { readonly json?: true }): Promise<void> {
  const address = url === undefined ? null : normaliseUrl(url);
  const findings: Finding[] = [];
  const found = (finding: Finding) => {
    findings.push(finding);
    if (!options.json) print(finding);
  };
  for (const check of environmentChecks(found)) found(await check());
  for (const finding of address === null ? [] : await checkHost(address)) found(finding);
  if (options.json) say(JSON.stringify(findings, null, 2));
  const failed = findings.filter(({ state }) => state === 'fail').length;
  if (failed > 0) throw new Failure(`${failed} of ${findings.length} checks failed`);
}

/** The checks with the configuration of the environment; without a valid one there is nothing to check by. */
function environmentChecks(found: (finding: Finding) => void): (() => Promise<Finding> | Finding)[] {
  try {
    const config = loadConfig(process.env);
    found({ name: 'environment', state: 'ok', detail: 'every variable that is set can be used' });
    return CHECKS.map((check) => () => check(config));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const help = 'See the variables in the README.';
    found({ name: 'environment', state: 'fail', detail: error.message.replaceAll('\n', '; '), help });
    return [];
  }
}

function print({ name, state, detail, help }: Finding): void {
  say(`${paint(STYLES[state], state.padEnd(4))}  ${printable(name)}: ${printable(detail)}`);
  if (help !== undefined && state !== 'ok') say(`      ${printable(help)}`);
}
