#!/usr/bin/env bun
import { Command } from 'commander';
import { version } from '../../package.json' with { type: 'json' };
import { addBackup } from './commands/backup.ts';
import { addDoctor } from './commands/doctor.ts';
import { addLogin } from './commands/login.ts';
import { addLogout } from './commands/logout.ts';
import { addMigrate } from './commands/migrate.ts';
import { addPluginCreate } from './commands/plugin-create.ts';
import { addPluginDev } from './commands/plugin-dev.ts';
import { addPluginDisable } from './commands/plugin-disable.ts';
import { addPluginEnable } from './commands/plugin-enable.ts';
import { addPluginHeap } from './commands/plugin-heap.ts';
import { addPluginInstall } from './commands/plugin-install.ts';
import { addPluginJobs } from './commands/plugin-jobs.ts';
import { addPluginList } from './commands/plugin-list.ts';
import { addPluginLogs } from './commands/plugin-logs.ts';
import { addPluginPack } from './commands/plugin-pack.ts';
import { addPluginPermissions } from './commands/plugin-permissions.ts';
import { addPluginPostMortems } from './commands/plugin-post-mortems.ts';
import { addPluginProfile } from './commands/plugin-profile.ts';
import { addPluginReload } from './commands/plugin-reload.ts';
import { addPluginRestorePoints } from './commands/plugin-restore-points.ts';
import { addPluginRollback } from './commands/plugin-rollback.ts';
import { addPluginSwitch } from './commands/plugin-switch.ts';
import { addPluginTypes } from './commands/plugin-types.ts';
import { addPluginUninstall } from './commands/plugin-uninstall.ts';
import { addPluginUpgrade } from './commands/plugin-upgrade.ts';
import { addPluginVersions } from './commands/plugin-versions.ts';
import { addRestore } from './commands/restore.ts';
import { addSecretsRotate } from './commands/secrets-rotate.ts';
import { addSecretsStatus } from './commands/secrets-status.ts';
import { report } from './failure.ts';

const program = new Command('streamspace')
  .description('Writes, packs and installs plugins of StreamSpace, and checks the machine.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .addHelpText(
    'after',
    '\nThe host is the one of `streamspace login`, or of STREAMSPACE_URL and STREAMSPACE_TOKEN.\n' +
      'Exit codes: 0 done, 1 refused or failed, 2 wrong usage.',
  )
  .exitOverride();

const plugin = program.command('plugin').description('write, pack, install and look after plugins');
addPluginCreate(plugin);
addPluginDev(plugin);
addPluginTypes(plugin);
addPluginPack(plugin);
addPluginInstall(plugin);
addPluginList(plugin);
addPluginLogs(plugin);
addPluginJobs(plugin);
addPluginPostMortems(plugin);
addPluginProfile(plugin);
addPluginHeap(plugin);
addPluginEnable(plugin);
addPluginDisable(plugin);
addPluginReload(plugin);
addPluginPermissions(plugin);
addPluginSwitch(plugin);
addPluginUpgrade(plugin);
addPluginVersions(plugin);
addPluginRestorePoints(plugin);
addPluginRollback(plugin);
addPluginUninstall(plugin);
const secrets = program.command('secrets').description('look after the key that secrets are sealed with');
addSecretsStatus(secrets);
addSecretsRotate(secrets);
addBackup(program);
addRestore(program);
addMigrate(program);
addLogin(program);
addLogout(program);
addDoctor(program);

// The reader of a pipe may leave early (`| head`): end as quietly as a program that SIGPIPE ends.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(128 + 13);
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
