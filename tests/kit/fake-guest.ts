import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import type { HostChannel } from '../../src/host/channel.ts';
import { Guest, type GuestEvents } from '../../src/host/guest.ts';

/** A frame that the core sent. */
export interface Sent {
  readonly kind: number;
  readonly flags: number;
  readonly lane: number;
  readonly isolate: number;
  readonly id: number;
  readonly head: string;
  readonly body: string | Uint8Array | null;
}

export interface Reply {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly extra: Record<string, unknown> };
}

export interface FakeGuest {
  readonly guest: Guest;
  readonly sent: readonly Sent[];
  /** The answers to a call, in order: at most one when all is well. */
  repliesTo(id: number): Reply[];
  /** Resolves with the first answer to a call. */
  reply(id: number): Promise<Reply>;
}

/** The core's end of an isolate, with nothing behind it: what would go over the socket is kept. */
export function fakeGuest(events: Partial<GuestEvents> = {}, id = 1): FakeGuest {
  const sent: Sent[] = [];
  const waiting = new Map<number, (reply: Reply) => void>();
  const channel: HostChannel = {
    send(kind, flags, lane, isolate, messageId, head, body) {
      const frame = { kind, flags, lane, isolate, id: messageId, head, body };
      sent.push(frame);
      if (kind === KIND.reply) waiting.get(messageId)?.(toReply(frame));
    },
    close: () => undefined,
    busyMs: 0,
    congestion: () => null,
  };
  const nothing = (): void => undefined;
  const guest = new Guest(id, channel, {
    onCall: nothing,
    onCallAbort: nothing,
    onDeadline: nothing,
    onGone: nothing,
    onStats: nothing,
    ...events,
  });
  const repliesTo = (call: number): Reply[] =>
    sent.filter(({ kind, id: of }) => kind === KIND.reply && of === call).map(toReply);
  return {
    guest,
    sent,
    repliesTo,
    reply(call) {
      const [known] = repliesTo(call);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => waiting.set(call, resolve));
    },
  };
}

function toReply({ flags, head, body }: Sent): Reply {
  return (flags & FLAG.error) !== 0 ? { error: JSON.parse(head) } : { value: JSON.parse(String(body)) };
}
