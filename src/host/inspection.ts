import type { Frame } from '../../runtime/protocol/frame.ts';
import { CHANNEL_LIMITS } from '../../runtime/protocol/limits.ts';
import { FLAG, KIND } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { HostChannel } from './channel.ts';

/** Bytes of one message of an inspector: the list of everything that a large plugin allocated, or a long profile. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const PAUSED = '{"method":"Debugger.paused"';
const RESUMED = '{"method":"Debugger.resumed"';

export interface InspectionEvents {
  /** V8 says something: JSON of the Chrome DevTools Protocol. */
  onMessage(message: string): void;
  /** The session is over, for this reason; told once. */
  onEnd(reason: string): void;
}

/** The core's end of the inspector of one isolate. It has one session in its life, and knows for how long it was paused. */
export class Inspection {
  readonly #isolate: number;
  readonly #channel: Pick<HostChannel, 'send'>;
  #events: InspectionEvents | null = null;
  #over = false;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #pausedAt: number | null = null;
  #pausedMs = 0;

  constructor(isolate: number, channel: Pick<HostChannel, 'send'>) {
    this.#isolate = isolate;
    this.#channel = channel;
  }

  /** Milliseconds that it was paused in all, which count for no deadline. @param now `performance.now()` */
  pausedMs(now: number): number {
    return this.#pausedMs + (this.#pausedAt === null ? 0 : now - this.#pausedAt);
  }

  /** Begins the session. @throws CodedError `inspector_busy` when there is or was one */
  begin(events: InspectionEvents): void {
    if (this.#events !== null || this.#over) throw new CodedError('inspector_busy');
    this.#events = events;
  }

  /**
   * Hands a message to V8.
   *
   * @throws CodedError `payload_too_large`
   */
  send(message: string): void {
    if (this.#events === null) return;
    const limit = CHANNEL_LIMITS.inspectorMessageBytes;
    if (Buffer.byteLength(message) > limit) {
      throw new CodedError('payload_too_large', `A message has at most ${limit} bytes`, { limit });
    }
    this.#channel.send(KIND.inspect, 0, 0, this.#isolate, 0, '', message);
  }

  /** Takes a piece of a message from the host; without a session there is nobody to say anything. */
  receive({ flags, body }: Frame): void {
    if (this.#events === null) return;
    this.#bytes += body.length;
    if (this.#bytes > MAX_MESSAGE_BYTES) {
      this.end('it said more than is taken');
      return;
    }
    // A copy: the frame's memory is that of a whole read.
    this.#pieces.push(Buffer.from(body));
    if ((flags & FLAG.last) === 0) return;
    const message = Buffer.concat(this.#pieces).toString('utf8');
    this.#pieces = [];
    this.#bytes = 0;
    if (message.startsWith(PAUSED)) this.#pausedAt ??= performance.now();
    else if (message.startsWith(RESUMED)) this.#resumed();
    this.#events.onMessage(message);
  }

  /** Ends the session; an isolate that is paused goes on, its deadlines too. */
  end(reason: string): void {
    const events = this.#events;
    this.#over = true;
    this.#events = null;
    this.#pieces = [];
    if (events === null) return;
    this.#resumed();
    this.#channel.send(KIND.inspectEnd, 0, 0, this.#isolate, 0, '', null);
    events.onEnd(reason);
  }

  #resumed(): void {
    this.#pausedMs = this.pausedMs(performance.now());
    this.#pausedAt = null;
  }
}
