import { Socket } from 'node:net';
import { type Frame, FrameReader, FrameWriter } from './protocol/frame.ts';
import { CHANNEL_LIMITS } from './protocol/limits.ts';

export interface Channel {
  /** Queues one frame; what a turn of the event loop queued goes out in one write. */
  send(
    kind: number,
    flags: number,
    isolate: number,
    id: number,
    head: string,
    body: string | Uint8Array | null,
    encoding?: 'utf8' | 'latin1',
  ): void;
  /** Writes at once what is queued. */
  flush(): void;
}

/**
 * When one message follows the other as quickly as this (ms), each waits for the one before: then the host looks for the
 * next for as long, in place of sleeping. Waking up costs more than the work (50 us on a virtual machine).
 */
const SPIN_MS = 0.2;

/** Takes over an inherited descriptor. The process ends with it: without a core there is nothing to do. */
export function startChannel(
  descriptor: number,
  handlers: { onFrame: (frame: Frame) => void; onTurn: () => void },
): Channel {
  const reader = new FrameReader((frame) => {
    frames += 1;
    handlers.onFrame(frame);
  }, CHANNEL_LIMITS.frameToHostBytes);
  const writer = new FrameWriter();
  let scheduled = false;
  let readAt = 0;
  let frames = 0;
  let spinning = false;
  const socket = new Socket({
    fd: descriptor,
    readable: true,
    writable: true,
    // One buffer for all reads: the reader copies what it keeps.
    onread: {
      buffer: Buffer.allocUnsafeSlow(262_144),
      callback: (length: number, buffer: Uint8Array): boolean => {
        reader.push(Buffer.from(buffer.buffer, buffer.byteOffset, length));
        handlers.onTurn();
        const now = performance.now();
        if (frames === 1 && now - readAt < SPIN_MS && !spinning) {
          spinning = true;
          setImmediate(spin);
        }
        readAt = now;
        frames = 0;
        return true;
      },
    },
  } as ConstructorParameters<typeof Socket>[0]);
  const end = (): never => process.exit(0);
  socket.on('end', end).on('close', end).on('error', end);
  socket.resume();

  /** Keeps the event loop from sleeping for a moment. */
  function spin(): void {
    spinning = performance.now() - readAt < SPIN_MS;
    if (spinning) setImmediate(spin);
  }

  function flush(): void {
    scheduled = false;
    if (writer.length === 0) return;
    socket.write(writer.peek());
    // Written in place: the memory is free again. Else the write still needs it.
    if (socket.writableLength === 0) writer.reset();
    else writer.detach();
  }

  return {
    send(kind, flags, isolate, id, head, body, encoding) {
      writer.add(kind, flags, 0, isolate, id, head, body, encoding);
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    },
    flush,
  };
}
