/**
 * The isolate host: a Node child that knows no capability. It reads frames from descriptor 3, keeps one isolate a
 * plugin, carries messages between the core and the guests, and ends when the descriptor does.
 */
import { setFlagsFromString } from 'node:v8';
import { startChannel } from './channel.ts';
import { Isolates } from './isolate/isolates.ts';
import { KIND, type ReadyHead } from './protocol/messages.ts';
import { probeReach } from './reach.ts';

// Only this isolate gets `gc`; those of plugins are made without it.
setFlagsFromString('--no-expose-gc');
// Many isolates are each entered seldom: code that waits 400 calls to be optimised stays slow for long. At 100 calls an entry
// takes 0.58 of the time, at 1,500 still 0.92, and no more memory (100 isolates in turn, Node 26.10).
setFlagsFromString('--invocation-count-for-maglev=100');
setFlagsFromString('--minimum-invocations-after-ic-update=50');

const channel = startChannel(3, {
  onFrame: (frame) => isolates.receive(frame),
  onTurn: () => isolates.flush(),
});
const isolates = new Isolates(channel);

const ready: ReadyHead = {
  node: process.versions.node,
  v8: process.versions.v8,
  pid: process.pid,
  reach: await probeReach(),
};
channel.send(KIND.ready, 0, 0, 0, JSON.stringify(ready), null);
