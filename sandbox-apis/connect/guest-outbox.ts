/** What the core reads of a socket's writable: one chunk at a time, each taken before the next is asked for. */
export class Outbox {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #taken: (() => void) | null = null;
  #refused: ((error: unknown) => void) | null = null;
  readonly #gone: () => Error;

  /**
   * @param Readable the library's class
   * @param onCancel the core reads no more
   * @param gone makes the error of a write that nobody takes
   */
  constructor(Readable: typeof ReadableStream, onCancel: () => void, gone: () => Error) {
    this.#gone = gone;
    this.stream = new Readable<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        // It is called when what was there has been taken.
        pull: () => this.#settle(),
        cancel: () => {
          this.#controller = null;
          this.#refused?.(gone());
          onCancel();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Resolves when the bytes are on their way. To be called again only then. */
  push(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#controller === null) {
        reject(this.#gone());
        return;
      }
      this.#taken = resolve;
      this.#refused = reject;
      this.#controller.enqueue(bytes);
    });
  }

  /** No more comes; what was pushed is still taken. */
  end(): void {
    this.#controller?.close();
    this.#controller = null;
    this.#settle();
  }

  /** No more comes, and what was pushed does not count. */
  fail(error: unknown): void {
    this.#controller?.error(error);
    this.#controller = null;
    this.#refused?.(error);
  }

  #settle(): void {
    this.#taken?.();
    this.#taken = null;
    this.#refused = null;
  }
}
