import { PromiseConstructor, SafeMap } from './intrinsics.ts';

/** What the host answered: JSON and bytes as one char each. */
export interface CryptoReply {
  /** Has `error` when it failed. */
  readonly head: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Requests and characters that are with the host at a time; the others wait here, where the isolate's limit counts them. */
const WITH_HOST = { requests: 64, chars: 4 * 1024 * 1024 } as const;

interface Asked {
  readonly head: string;
  readonly body: string;
  readonly resolve: (reply: CryptoReply) => void;
}

/** The guest's end of asynchronous cryptography. */
export interface CryptoLine {
  /** Asks the host; a failure is a reply too. */
  later(head: string, body: string): Promise<CryptoReply>;
  /** Takes a reply; those that nobody waits for are dropped. */
  receive(id: number, head: unknown, body: string | null): void;
}

/** @param send hands a request to the host */
export function createCryptoLine(send: (id: number, head: string, body: string) => void): CryptoLine {
  const asked = new SafeMap<number, Asked>();
  let lastAsked = 0;
  let lastSent = 0;
  let chars = 0;

  function sendNext(): void {
    while (lastSent < lastAsked) {
      const next = asked.get(lastSent + 1) as Asked;
      const { length } = next.body;
      const withHost = asked.size - (lastAsked - lastSent);
      if (withHost > 0 && (withHost >= WITH_HOST.requests || chars + length > WITH_HOST.chars)) return;
      lastSent += 1;
      chars += length;
      send(lastSent, next.head, next.body);
    }
  }

  return {
    later(head, body) {
      return new PromiseConstructor<CryptoReply>((resolve) => {
        lastAsked += 1;
        asked.set(lastAsked, { head, body, resolve });
        sendNext();
      });
    },
    receive(id, head, body) {
      const done = asked.get(id);
      if (done === undefined || id > lastSent) return;
      asked.delete(id);
      chars -= done.body.length;
      done.resolve({ head: head as CryptoReply['head'], body: body ?? '' });
      sendNext();
    },
  };
}
