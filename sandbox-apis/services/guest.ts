/** What a provider gets beside the input of a method. */
export interface ServiceContext {
  /** Aborted when the platform waits no longer. */
  readonly signal: AbortSignal;
}

/**
 * Keeps the contents of files: the service `storage-backend`. Each content is written once, under a key that the platform
 * makes up, and is never changed.
 */
export interface StorageBackend {
  /**
   * Keeps a content: done when it is durable. A `put` that fails leaves nothing that `get` would give. `size` is null when
   * only the end of the body tells.
   */
  put(
    object: { readonly key: string; readonly size: number | null },
    context: ServiceContext & { readonly body: ReadableStream<Uint8Array> },
  ): unknown;
  /**
   * The content, or with a `range` exactly that part of it, as anything that a Response takes for a body; null when there
   * is none. The platform checks size and digest of what comes.
   */
  get(
    object: { readonly key: string; readonly range: { readonly offset: number; readonly length: number } | null },
    context: ServiceContext,
  ): Response | BodyInit | null | Promise<Response | BodyInit | null>;
  /** The size of a content in bytes; null when there is none. */
  stat(
    object: { readonly key: string },
    context: ServiceContext,
  ): { readonly size: number } | null | Promise<{ readonly size: number } | null>;
  /** Keeps a content no longer; that there is none is no error. */
  delete(object: { readonly key: string }, context: ServiceContext): unknown;
}

/** The services that there are, and what a provider of each implements. */
export interface ServiceImplementations {
  readonly 'storage-backend': StorageBackend;
}

/** `streamspace.services`: provide to the platform what it can have in more than one way. */
export interface ServicesApi {
  /**
   * Offers an implementation of a service. Whether it is used, the operator decides (`STREAMSPACE_FILES_BACKEND`). Call it
   * while the plugin loads. Needs `services:provide:<name>`, and the name under `services.provides` in the manifest.
   *
   * @example
   * ```ts
   * const { config, secrets, services } = streamspace;
   * const at = (key: string) => `${config.endpoint}/${key}`;
   * const authorization = `Bearer ${await secrets.get('token')}`;
   *
   * services.provide('storage-backend', {
   *   async put({ key }, { body, signal }) {
   *     const answer = await fetch(at(key), { method: 'PUT', body, headers: { authorization }, signal });
   *     if (!answer.ok) throw new Error(`the store answered ${answer.status}`);
   *   },
   *   async get({ key, range }) {
   *     const part = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
   *     const answer = await fetch(at(key), { headers: { authorization, ...part } });
   *     if (answer.status === 404) return null;
   *     if (!answer.ok) throw new Error(`the store answered ${answer.status}`);
   *     return answer;
   *   },
   *   async stat({ key }) {
   *     const { ok, headers } = await fetch(at(key), { method: 'HEAD', headers: { authorization } });
   *     return ok ? { size: Number(headers.get('content-length')) } : null;
   *   },
   *   async delete({ key }) {
   *     await fetch(at(key), { method: 'DELETE', headers: { authorization } });
   *   },
   * });
   * ```
   */
  provide<Name extends keyof ServiceImplementations>(service: Name, implementation: ServiceImplementations[Name]): void;
}
