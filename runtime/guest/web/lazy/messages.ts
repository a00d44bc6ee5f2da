import { Event } from '../event.ts';
import { dispatch, EventTarget } from '../event-target.ts';
import { domError, heavy } from '../heavy.ts';
import { loaded } from '../loaded.ts';
import { after } from '../timers.ts';
import { defineHandler } from './handlers.ts';
import { exposeInterface } from './members.ts';

const INTERNAL: unique symbol = Symbol('internal');

/** One end of a channel. It stays what it is when its port is transferred: only its owner changes. */
interface End {
  owner: MessagePort | null;
  /** Null once one of both was closed. */
  peer: End | null;
  /** Whether it was closed itself. */
  closed: boolean;
  /** What came and was not delivered yet; null tells of the other end's closing. */
  readonly queue: (Message | null)[];
  /** Whether messages are delivered: once the port was started. */
  started: boolean;
}

interface Message {
  readonly data: unknown;
  readonly ports: readonly MessagePort[];
}

/** Ends with messages, in the order in which these came. */
const ready: End[] = [];
let scheduled = false;

/** One message a task, so that the microtasks of one have all run before the next. */
function schedule(): void {
  if (scheduled) return;
  after(0, deliver);
  scheduled = true;
}

function deliver(): void {
  scheduled = false;
  const at = ready.findIndex((end) => end.started);
  const end = at < 0 ? undefined : ready.splice(at, 1)[0];
  if (ready.some((each) => each.started)) schedule();
  const port = end?.owner;
  if (end === undefined || port === null || port === undefined) return;
  const message = end.queue.shift();
  if (message === undefined) return;
  dispatch(
    port,
    message === null ? new Event('close') : new MessageEvent('message', message as unknown as MessageEventInit),
  );
}

function send(to: End, message: Message | null): void {
  schedule();
  to.queue.push(message);
  ready.push(to);
}

/** `MessagePort` of the HTML standard. */
export class MessagePort extends EventTarget {
  /** Null once it was transferred. */
  #end: End | null = null;

  constructor(token?: typeof INTERNAL, end?: End) {
    if (token !== INTERNAL) throw new TypeError('Illegal constructor');
    super();
    if (end !== undefined) this.#own(end);
  }

  static {
    loaded.messagePort = {
      isPort: (value) => #end in value,
      prepareMove(value) {
        const port = value as MessagePort;
        const made = new MessagePort(INTERNAL);
        const commit = (): boolean => {
          const end = port.#end;
          if (end === null || end.closed) return false;
          port.#end = null;
          end.started = false;
          made.#own(end);
          return true;
        };
        return { made, commit };
      },
    };
  }

  #own(end: End): void {
    this.#end = end;
    end.owner = this;
  }

  postMessage(message: unknown, options?: Iterable<object> | { transfer?: Iterable<object> }): void {
    if (arguments.length === 0) throw new TypeError("Failed to execute 'postMessage': 1 argument required");
    const transfer = [...transferOf(options)];
    if (transfer.includes(this)) throw domError('A port cannot be sent through itself', 'DataCloneError');
    const peer = this.#end?.peer ?? null;
    // The other end in its own message: nobody will ever get it.
    const lost = peer === null || transfer.some((each) => each === peer.owner);
    const { value: data, ports } = heavy.structuredClone().cloneMessage(message, transfer);
    if (!lost) send(peer, { data, ports: ports as MessagePort[] });
  }

  start(): void {
    if (this.#end === null || this.#end.started) return;
    this.#end.started = true;
    if (this.#end.queue.length > 0) schedule();
  }

  close(): void {
    const end = this.#end;
    if (end === null) return;
    const { peer } = end;
    end.closed = true;
    end.queue.length = 0;
    if (peer === null) return;
    end.peer = peer.peer = null;
    // The event is delivered to a port that was never started as well.
    peer.started = true;
    send(peer, null);
  }
}
exposeInterface(MessagePort, 'MessagePort');
defineHandler(MessagePort.prototype, 'message', (port) => (port as MessagePort).start());
defineHandler(MessagePort.prototype, 'messageerror');
defineHandler(MessagePort.prototype, 'close');

function transferOf(options: unknown): Iterable<object> {
  if (options === undefined || options === null) return [];
  if (typeof options !== 'object' && typeof options !== 'function')
    throw new TypeError('The options are not an object');
  if (Symbol.iterator in options) return options as Iterable<object>;
  return (options as { transfer?: Iterable<object> }).transfer ?? [];
}

/** `MessageChannel` of the HTML standard; both ends are in this isolate. */
export class MessageChannel {
  readonly #port1: MessagePort;
  readonly #port2: MessagePort;

  constructor() {
    const one: End = { owner: null, peer: null, closed: false, queue: [], started: false };
    const two: End = { owner: null, peer: one, closed: false, queue: [], started: false };
    one.peer = two;
    this.#port1 = new MessagePort(INTERNAL, one);
    this.#port2 = new MessagePort(INTERNAL, two);
  }

  get port1(): MessagePort {
    return this.#port1;
  }
  get port2(): MessagePort {
    return this.#port2;
  }
}
exposeInterface(MessageChannel, 'MessageChannel');

/** `MessageEvent` of the HTML standard. */
export class MessageEvent extends Event {
  readonly #init: Readonly<Required<Pick<MessageEventInit, 'data' | 'origin' | 'lastEventId'>>> & {
    readonly source: MessagePort | null;
    readonly ports: readonly MessagePort[];
  };

  constructor(type: string, init?: MessageEventInit) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'MessageEvent': 1 argument required");
    super(type, init);
    const { data = null, origin = '', lastEventId = '', source = null, ports = [] } = init ?? {};
    if (source !== null && !isPort(source)) throw new TypeError('The source of a MessageEvent is not a MessagePort');
    const all = [...(ports as unknown as Iterable<MessagePort>)];
    if (!all.every(isPort)) throw new TypeError('The ports of a MessageEvent are not all MessagePorts');
    this.#init = {
      data,
      origin: `${origin}`.toWellFormed(),
      lastEventId: `${lastEventId}`,
      source: source as unknown as MessagePort | null,
      ports: Object.freeze(all),
    };
  }

  get data(): unknown {
    return this.#init.data;
  }
  get origin(): string {
    return this.#init.origin;
  }
  get lastEventId(): string {
    return this.#init.lastEventId;
  }
  get source(): MessagePort | null {
    return this.#init.source;
  }
  get ports(): readonly MessagePort[] {
    return this.#init.ports;
  }
}
exposeInterface(MessageEvent, 'MessageEvent');

function isPort(value: unknown): boolean {
  return typeof value === 'object' && value !== null && loaded.messagePort?.isPort(value) === true;
}
