// What a guest that broke out of V8, and of Node's permission model as well, would try. It runs in place of the isolate
// host, without --permission, and writes what got through. Input: { core, secret, folder, calls }.
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import * as fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';

const descriptors = [];
for (let descriptor = 0; descriptor < 1_024; descriptor++) {
  try {
    const { mode, ino } = fs.fstatSync(descriptor);
    descriptors.push({ descriptor, type: (mode & 0o170000).toString(8), ino });
  } catch {
    // Not open.
  }
}

const { core, secret, folder, calls } = JSON.parse(fs.readFileSync(0, 'utf8'));
const got = {};
const attempt = (what, action) => {
  try {
    action();
    got[what] = true;
  } catch (error) {
    got[what] = error.code ?? String(error);
  }
};
const event = (what, start) =>
  new Promise((resolve) => {
    const settle = (value) => {
      got[what] ??= value;
      resolve();
    };
    try {
      start(
        () => settle(true),
        (error) => settle(error.code ?? String(error)),
      );
    } catch (error) {
      settle(error.code ?? String(error));
    }
  });

const env = Object.keys(process.env).filter((name) => name !== 'PWD');
attempt('read the secret', () => fs.readFileSync(secret));
attempt('read /etc/passwd', () => fs.readFileSync('/etc/passwd'));
attempt('list the data folder', () => fs.readdirSync(folder));
attempt('write to the data folder', () => fs.writeFileSync(`${folder}/planted`, ''));
attempt('write to /tmp', () => fs.writeFileSync(`/tmp/streamspace-planted-${core}`, '', { flag: 'wx' }));
attempt('write to its code', () => fs.appendFileSync(process.argv[1], '\n'));
attempt('remove its code', () => fs.unlinkSync(`${process.argv[1]}.none`));
attempt('make a folder', () => fs.mkdirSync(`/tmp/streamspace-planted-folder-${core}`));
attempt('make a link', () => fs.symlinkSync(secret, `/tmp/streamspace-planted-link-${core}`));
attempt('spawn itself', () => {
  const { error } = spawnSync(process.execPath, ['--version']);
  if (error) throw error;
});
attempt('signal the core', () => process.kill(core, 0));
attempt('signal its parent', () => process.kill(process.ppid || core, 0));
attempt('slow the core down', () => os.setPriority(core, os.getPriority(core)));
attempt('read the environment of the core', () => fs.readFileSync(`/proc/${core}/environ`));
attempt('open the memory of the core', () => fs.closeSync(fs.openSync(`/proc/${core}/mem`, 'r')));
attempt('list what the core has open', () => fs.readdirSync(`/proc/${core}/fd`));
attempt('become root', () => process.setuid(0));
const others = [];
attempt('list processes', () => {
  others.push(...fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid)));
});
await event('connect', (done, failed) => {
  const socket = net.connect(9, '127.0.0.1', done);
  // A refusal by the peer proves that packets travel.
  socket.on('error', (error) => (error.code === 'ECONNREFUSED' ? done() : failed(error)));
});
await event('listen', (done, failed) => {
  const server = net.createServer().on('error', failed);
  server.listen(0, '127.0.0.1', () => server.close(done));
});
await event('send a datagram', (done, failed) => {
  const socket = dgram.createSocket('udp4').on('error', failed);
  socket.send('', 9, '127.0.0.1', (error) => {
    socket.close();
    if (error) failed(error);
    else done();
  });
});
await event('open a Unix socket', (done, failed) => {
  const server = net.createServer().on('error', failed);
  server.listen(`\0streamspace-${process.pid}`, () => server.close(done));
});

/** Errno of each system call with nothing but zeros; 0 when it succeeds. */
const errnos = {};
if (calls !== null) {
  const ffi = await import('node:ffi');
  const { functions } = ffi.dlopen('libc.so.6', {
    syscall: { arguments: Array(7).fill('i64'), return: 'i64' },
    __errno_location: { arguments: [], return: 'pointer' },
  });
  for (const [name, number] of Object.entries(calls)) {
    const answer = functions.syscall(BigInt(number), 0n, 0n, 0n, 0n, 0n, 0n);
    errnos[name] = answer === -1n ? ffi.getInt32(functions.__errno_location(), 0) : 0;
  }
}
fs.writeSync(1, JSON.stringify({ pid: process.pid, uid: process.getuid(), env, got, others, descriptors, errnos }));
process.exit(0);
