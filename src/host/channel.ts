import type { Socket } from 'bun';
import { type Frame, FrameReader, FrameWriter } from '../../runtime/protocol/frame.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';

export interface HostChannel {
  /** Queues one frame; what a turn of the event loop queued goes out in one write. */
  send(
    kind: number,
    flags: number,
    lane: number,
    isolate: number,
    id: number,
    head: string,
    body: string | Uint8Array | null,
  ): void;
  close(): void;
}

/** Turns with a single frame after which frames are no longer collected. */
const COLLECT_TURNS = 32;

/**
 * Speaks frames over a descriptor that was inherited by the child.
 *
 * @param handlers.onClose called once, with the reason: the end of the descriptor, or a breach of the protocol
 */
export async function openChannel(
  descriptor: number,
  handlers: { onFrame: (frame: Frame) => void; onClose: (reason: string) => void },
): Promise<HostChannel> {
  const reader = new FrameReader(handlers.onFrame);
  const writer = new FrameWriter();
  const backlog: Buffer[] = [];
  let backlogBytes = 0;
  let scheduled = false;
  let closed = false;
  /** Frames that this turn of the event loop has queued, and how many turns more their writes are collected for. */
  let queued = 0;
  let collecting = COLLECT_TURNS;

  function close(reason: string): void {
    if (closed) return;
    closed = true;
    backlog.length = 0;
    socket.terminate();
    handlers.onClose(reason);
  }

  function writeBacklog(): void {
    while (backlog.length > 0) {
      const next = backlog[0] as Buffer;
      const written = Math.max(0, socket.write(next));
      backlogBytes -= written;
      if (written < next.length) {
        backlog[0] = next.subarray(written);
        return;
      }
      backlog.shift();
    }
  }

  function flush(): void {
    scheduled = false;
    if (closed || writer.length === 0) return;
    if (backlog.length === 0) {
      const out = writer.peek();
      const written = Math.max(0, socket.write(out));
      if (written === out.length) {
        writer.reset();
        return;
      }
      const rest = writer.detach().subarray(written);
      backlog.push(rest);
      backlogBytes += rest.length;
    } else {
      const out = writer.detach();
      backlog.push(out);
      backlogBytes += out.length;
    }
    if (backlogBytes > CHANNEL_LIMITS.backlogBytes) close('the host does not read');
  }

  /** Writes what the turn collected. Under load one write for all is cheaper; a lone frame does not wait for it. */
  function endTurn(): void {
    collecting = queued > 1 ? COLLECT_TURNS : Math.max(0, collecting - 1);
    queued = 0;
    flush();
  }

  const socket: Socket<unknown> = await Bun.connect({
    fd: descriptor,
    socket: {
      binaryType: 'buffer',
      data(_socket: Socket<unknown>, chunk: Buffer) {
        try {
          reader.push(chunk);
        } catch (error) {
          close(`broke the protocol: ${error instanceof Error ? error.message : String(error)}`);
        }
      },
      drain: writeBacklog,
      close: () => close('ended'),
      end: () => close('ended'),
      error: (_socket: Socket<unknown>, error: Error) => close(error.message),
    },
    // bun-types know connecting by address only; by descriptor is DESIGN 1.
  } as unknown as Parameters<typeof Bun.connect>[0]);

  return {
    send(kind, flags, lane, isolate, id, head, body) {
      if (closed) return;
      writer.add(kind, flags, lane, isolate, id, head, body);
      queued += 1;
      if (queued === 1) setImmediate(endTurn);
      if (collecting > 0 || scheduled) return;
      scheduled = true;
      queueMicrotask(flush);
    },
    close: () => close('closed'),
  };
}
