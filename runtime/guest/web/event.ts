import { DateNow, ObjectDefineProperty } from './intrinsics.ts';
import { tag } from './lazy.ts';

/** What a dispatch does to an event; only event-target.ts uses it. */
interface EventControl {
  begin(event: Event, target: object): void;
  listen(event: Event, passive: boolean): void;
  end(event: Event): void;
  stopped(event: Event): boolean;
  dispatching(event: Event): boolean;
}

export let control: EventControl;

/** `Event` of the DOM standard, without a tree: the path is the target alone. */
export class Event {
  readonly #type: string;
  readonly #bubbles: boolean;
  readonly #cancelable: boolean;
  readonly #composed: boolean;
  readonly #timeStamp = DateNow();
  #target: object | null = null;
  #current: object | null = null;
  #canceled = false;
  #stop = false;
  #stopNow = false;
  #passive = false;

  constructor(type: string, init?: EventInit) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'Event': 1 argument required");
    this.#type = `${type}`;
    this.#bubbles = !!init?.bubbles;
    this.#cancelable = !!init?.cancelable;
    this.#composed = !!init?.composed;
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
      dispatching: (event) => event.#current !== null,
    };
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
  get isTrusted(): boolean {
    return false;
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
  readonly #detail: T | null;

  constructor(type: string, init?: CustomEventInit<T>) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'CustomEvent': 1 argument required");
    super(type, init);
    this.#detail = init?.detail ?? null;
  }

  get detail(): T | null {
    return this.#detail;
  }
}
tag(CustomEvent.prototype, 'CustomEvent');
