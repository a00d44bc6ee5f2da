import { Event } from '../event.ts';
import { dispatch, EventTarget } from '../event-target.ts';
import { domError, heavy } from '../heavy.ts';
import { encodeLatin1 } from '../latin1.ts';
import { after } from '../timers.ts';
import { bytesOf } from './blob.ts';
import { defineHandler } from './handlers.ts';
import { exposeInterface } from './members.ts';

/** `ProgressEvent` of the XMLHttpRequest standard. */
export class ProgressEvent extends Event {
  readonly #lengthComputable: boolean;
  readonly #loaded: number;
  readonly #total: number;

  constructor(type: string, init?: ProgressEventInit) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'ProgressEvent': 1 argument required");
    super(type, init);
    this.#lengthComputable = !!init?.lengthComputable;
    this.#loaded = Number(init?.loaded ?? 0);
    this.#total = Number(init?.total ?? 0);
  }

  get lengthComputable(): boolean {
    return this.#lengthComputable;
  }
  get loaded(): number {
    return this.#loaded;
  }
  get total(): number {
    return this.#total;
  }
}
exposeInterface(ProgressEvent, 'ProgressEvent');

const STATES = { EMPTY: 0, LOADING: 1, DONE: 2 } as const;
type Pack = (bytes: Uint8Array<ArrayBuffer>) => string | ArrayBuffer;

/** `FileReader` of the File API. A blob is in memory: each step is a task of its own, and none waits for anything. */
export class FileReader extends EventTarget {
  #state: number = STATES.EMPTY;
  #result: string | ArrayBuffer | null = null;
  /** Takes back the next task of the read that is under way. */
  #cancel: (() => void) | null = null;

  get readyState(): number {
    return this.#state;
  }
  get result(): string | ArrayBuffer | null {
    return this.#result;
  }
  /** Reading from memory never fails. */
  get error(): DOMException | null {
    void this.#state;
    return null;
  }

  readAsArrayBuffer(blob: Blob): void {
    this.#read(blob, (bytes) => bytes.slice().buffer);
  }

  readAsBinaryString(blob: Blob): void {
    this.#read(blob, encodeLatin1);
  }

  readAsText(blob: Blob, ...[encoding]: [encoding?: string]): void {
    const label = encoding === undefined ? undefined : `${encoding}`;
    this.#read(blob, (bytes) => decode(bytes, label, blob.type));
  }

  readAsDataURL(blob: Blob): void {
    this.#read(blob, (bytes) => `data:${blob.type || 'application/octet-stream'};base64,${bytes.toBase64()}`);
  }

  abort(): void {
    if (this.#state !== STATES.LOADING) {
      this.#result = null;
      return;
    }
    this.#cancel?.();
    this.#state = STATES.DONE;
    this.#result = null;
    this.#tell('abort', 0, 0);
    if (this.#is(STATES.DONE)) this.#tell('loadend', 0, 0);
  }

  #read(blob: unknown, pack: Pack): void {
    const bytes = typeof blob === 'object' && blob !== null ? bytesOf(blob) : null;
    if (bytes === null) throw new TypeError('What is to be read is not a Blob');
    if (this.#state === STATES.LOADING) throw domError('The reader is busy', 'InvalidStateError');
    this.#state = STATES.LOADING;
    this.#result = null;
    const { length } = bytes;
    const end = (): void => {
      this.#state = STATES.DONE;
      this.#result = pack(bytes);
      // A task of its own, so that what waits for `load` runs before; it may have begun the next read.
      this.#cancel = after(0, () => {
        if (this.#is(STATES.DONE)) this.#tell('loadend', length, length);
      });
      this.#tell('load', length, length);
    };
    const progress = (): void => {
      this.#cancel = after(0, end);
      if (length > 0) this.#tell('progress', length, length);
    };
    this.#cancel = after(0, () => {
      this.#cancel = after(0, progress);
      this.#tell('loadstart', 0, length);
    });
  }

  /** Asked anew after each event: its handlers may have changed it. */
  #is(state: number): boolean {
    return this.#state === state;
  }

  #tell(type: string, loaded: number, total: number): void {
    dispatch(this, new ProgressEvent(type, { lengthComputable: total > 0, loaded, total }));
  }
}
exposeInterface(FileReader, 'FileReader');
for (const [name, value] of Object.entries(STATES)) {
  const constant = { value, writable: false, enumerable: true, configurable: false };
  Object.defineProperty(FileReader, name, constant);
  Object.defineProperty(FileReader.prototype, name, constant);
}
for (const type of ['loadstart', 'progress', 'load', 'abort', 'error', 'loadend']) {
  defineHandler(FileReader.prototype, type);
}

/** Text of bytes: their byte order mark says more than the label, and that more than the blob's type. */
function decode(bytes: Uint8Array<ArrayBuffer>, label: string | undefined, type: string): string {
  const { TextDecoder, labelToName } = heavy.encoding();
  const known = (name: string | undefined): string | null => (name === undefined ? null : labelToName(name));
  const charset = (): string | undefined => heavy.mime().parseMime(type)?.parameters.get('charset');
  return new TextDecoder(markOf(bytes) ?? known(label) ?? known(charset()) ?? 'utf-8').decode(bytes);
}

function markOf([first, second, third]: Uint8Array): string | null {
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  return first === 0xff && second === 0xfe ? 'utf-16le' : null;
}
