import { DateNow, ObjectDefineProperty } from './intrinsics.ts';
import { tag } from './lazy.ts';

/** What a dispatch does to an event; only event-target.ts uses it. */
interface EventControl {
  begin(event: Event, target: object): void;
  listen(event: Event, passive: boolean): void;
  end(event: Event): void;
  stopped(event: Event): boolean;
  /** Whether nothing further down the path is to hear of it. */
  held(event: Event): boolean;
  trust(event: Event, trusted: boolean): void;
  dispatching(event: Event): boolean;
}

export let control: EventControl;

/** Own and beyond the guest's reach, as Web IDL's [LegacyUnforgeable] says. */
const TRUSTED: PropertyDescriptor & { __proto__: null } = {
  __proto__: null,
  get: function isTrusted(this: Event): boolean {
    return wasTrusted(this);
  },
  enumerable: true,
  configurable: false,
};
let wasTrusted: (event: Event) => boolean;

/** `Event` of the DOM standard, without a tree: the path is the target alone. */
export class Event {
  #type: string;
  #bubbles: boolean;
  #cancelable: boolean;
  readonly #composed: boolean;
  readonly #timeStamp = DateNow();
  #target: object | null = null;
  #current: object | null = null;
  #canceled = false;
  #stop = false;
  #stopNow = false;
  #passive = false;
  #trusted = false;
  declare readonly isTrusted: boolean;

  constructor(type: string, init?: EventInit) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'Event': 1 argument required");
    this.#type = `${type}`;
    this.#bubbles = !!init?.bubbles;
    this.#cancelable = !!init?.cancelable;
    this.#composed = !!init?.composed;
    ObjectDefineProperty(this, 'isTrusted', TRUSTED);
  }

  static {
    control = {
      begin(event, target) {
        event.#target = event.#current = target;
      },
      listen(event, passive) {
        event.#passive = passive;
      },
      end(event) {
        event.#current = null;
        event.#stop = event.#stopNow = event.#passive = false;
      },
      stopped: (event) => event.#stopNow,
      held: (event) => event.#stop,
      trust(event, trusted) {
        event.#trusted = trusted;
      },
      dispatching: (event) => event.#current !== null,
    };
    wasTrusted = (event) => event.#trusted;
  }

  get type(): string {
    return this.#type;
  }
  get target(): object | null {
    return this.#target;
  }
  get srcElement(): object | null {
    return this.#target;
  }
  get currentTarget(): object | null {
    return this.#current;
  }
  get eventPhase(): number {
    return this.#current === null ? 0 : 2;
  }
  get bubbles(): boolean {
    return this.#bubbles;
  }
  get cancelable(): boolean {
    return this.#cancelable;
  }
  get composed(): boolean {
    return this.#composed;
  }
  get defaultPrevented(): boolean {
    return this.#canceled;
  }
  get returnValue(): boolean {
    return !this.#canceled;
  }
  set returnValue(value: boolean) {
    if (!value) this.preventDefault();
  }
  get cancelBubble(): boolean {
    return this.#stop;
  }
  set cancelBubble(value: boolean) {
    if (value) this.#stop = true;
  }
  get timeStamp(): number {
    return this.#timeStamp;
  }

  /** As documents once made events: sets it up again, unless it is being dispatched. */
  initEvent(type: string, bubbles = false, cancelable = false): void {
    if (arguments.length === 0) throw new TypeError("Failed to execute 'initEvent': 1 argument required");
    const name = `${type}`;
    if (this.#current !== null) return;
    this.#type = name;
    this.#bubbles = !!bubbles;
    this.#cancelable = !!cancelable;
    this.#target = null;
    this.#trusted = this.#canceled = this.#stop = this.#stopNow = false;
  }
  composedPath(): object[] {
    return this.#current === null ? [] : [this.#current];
  }
  preventDefault(): void {
    if (this.#cancelable && !this.#passive) this.#canceled = true;
  }
  stopPropagation(): void {
    this.#stop = true;
  }
  stopImmediatePropagation(): void {
    this.#stop = this.#stopNow = true;
  }
}

['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE'].forEach((name, value) => {
  ObjectDefineProperty(Event, name, { value, enumerable: true });
  ObjectDefineProperty(Event.prototype, name, { value, enumerable: true });
});
tag(Event.prototype, 'Event');

/** `CustomEvent` of the DOM standard: an event that carries `detail`. */
export class CustomEvent<T = unknown> extends Event {
  #detail: T | null;

  constructor(type: string, init?: CustomEventInit<T>) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'CustomEvent': 1 argument required");
    super(type, init);
    this.#detail = init?.detail ?? null;
  }

  get detail(): T | null {
    return this.#detail;
  }

  /** `initEvent` with a detail. */
  initCustomEvent(type: string, bubbles = false, cancelable = false, detail: T | null = null): void {
    if (arguments.length === 0) throw new TypeError("Failed to execute 'initCustomEvent': 1 argument required");
    const dispatching = control.dispatching(this);
    super.initEvent(type, bubbles, cancelable);
    if (!dispatching) this.#detail = detail;
  }
}
tag(CustomEvent.prototype, 'CustomEvent');
