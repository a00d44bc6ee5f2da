import type { Socket } from 'bun';
import { type Frame, FrameReader, FrameWriter } from '../../runtime/protocol/frame.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { outsideScopes } from '../telemetry/scope.ts';

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
  /** Milliseconds that the core has spent on what came in. */
  readonly busyMs: number;
  /** Null while the host keeps up; else resolves when it does again, or is gone. */
  congestion(): Promise<void> | null;
  close(): void;
}

/**
 * Frames of one turn after which they are written: while the core goes on with the turn, the host begins on its own
 * processor. (100 plugins in turn, 32 connections: 1.27 times the requests of one write a turn.)
 */
const FLUSH_FRAMES = 8;
/** Turns with a single frame after which frames are no longer collected. */
const COLLECT_TURNS = 32;

/** A descriptor whose other end the child inherits, or a socket and the line that says whose channel it is to be. */
export type ChannelAddress = { readonly descriptor: number } | { readonly unix: string; readonly greeting: string };

/**
 * Speaks frames with an isolate host.
 *
 * @param handlers.onClose called once, with the reason; `ended` when the other side did, else it broke the protocol
 */
export async function openChannel(
  address: ChannelAddress,
  handlers: { onFrame: (frame: Frame) => void; onClose: (reason: string, ended: boolean) => void },
): Promise<HostChannel> {
  const reader = new FrameReader((frame) => {
    // One read may bring more than the frame for which the channel was closed.
    if (!closed) handlers.onFrame(frame);
  });
  const writer = new FrameWriter();
  let busyMs = 0;
  const waiting: { congested: PromiseWithResolvers<void> | null } = { congested: null };
  /** What the socket did not take; as long as there is some, frames stay in the writer, whose memory they share. */
  let rest: Buffer | null = null;
  let scheduled = false;
  let closed = false;
  /** Frames that this turn of the event loop has queued, and how many turns more their writes are collected for. */
  let queued = 0;
  let collecting = COLLECT_TURNS;

  function close(reason: string, ended = false): void {
    if (closed) return;
    closed = true;
    rest = null;
    writer.detach();
    decongest();
    socket.terminate();
    handlers.onClose(reason, ended);
  }

  function writeRest(): void {
    if (rest === null) return;
    const written = Math.max(0, socket.write(rest));
    rest = written < rest.length ? rest.subarray(written) : null;
    flush();
    if (backlog() <= CHANNEL_LIMITS.congestedBytes) decongest();
  }

  /** Bytes that the host has not taken. */
  function backlog(): number {
    return (rest?.length ?? 0) + writer.length;
  }

  function decongest(): void {
    const { congested } = waiting;
    waiting.congested = null;
    congested?.resolve();
  }

  function flush(): void {
    scheduled = false;
    if (closed || writer.length === 0) return;
    if (rest === null) {
      const out = writer.peek();
      const written = Math.max(0, socket.write(out));
      if (written === out.length) {
        writer.reset();
        return;
      }
      rest = writer.detach().subarray(written);
    }
    if (backlog() > CHANNEL_LIMITS.backlogBytes) close('the host does not read');
  }

  /** Writes what the turn collected. Under load one write for all is cheaper; a lone frame does not wait for it. */
  function endTurn(): void {
    collecting = queued > 1 ? COLLECT_TURNS : Math.max(0, collecting - 1);
    queued = 0;
    flush();
  }

  const options = {
    ...('unix' in address ? { unix: address.unix } : { fd: address.descriptor }),
    socket: {
      binaryType: 'buffer',
      data(_socket: Socket<unknown>, chunk: Buffer) {
        const started = performance.now();
        try {
          reader.push(chunk);
        } catch (error) {
          close(`broke the protocol: ${error instanceof Error ? error.message : String(error)}`);
        }
        busyMs += performance.now() - started;
      },
      drain: writeRest,
      close: () => close('ended', true),
      end: () => close('ended', true),
      error: (_socket: Socket<unknown>, error: Error) => close(error.message, true),
    },
    // bun-types know connecting by address only; by descriptor is DESIGN 1.
  } as unknown as Parameters<typeof Bun.connect>[0];
  const socket: Socket<unknown> = await outsideScopes(() => Bun.connect(options));
  // So few bytes always fit into a socket that is new.
  if ('unix' in address) socket.write(address.greeting);

  return {
    send(kind, flags, lane, isolate, id, head, body) {
      if (closed) return;
      writer.add(kind, flags, lane, isolate, id, head, body);
      queued += 1;
      if (queued === 1) setImmediate(endTurn);
      if (queued % FLUSH_FRAMES === 0) {
        flush();
        return;
      }
      if (collecting > 0 || scheduled) return;
      scheduled = true;
      queueMicrotask(flush);
    },
    congestion() {
      if (closed || backlog() <= CHANNEL_LIMITS.congestedBytes) return null;
      waiting.congested ??= Promise.withResolvers<void>();
      return waiting.congested.promise;
    },
    close: () => close('closed'),
    get busyMs() {
      return busyMs;
    },
  };
}
