import { ObjectDefineProperty } from '../intrinsics.ts';
import { exposeInterface } from './members.ts';

/** Names by legacy code (the first is code 1), each with its constant; three lost their code (Web IDL 2.8.1). */
const CODES: readonly (readonly [constant: string, name: string])[] = [
  ['INDEX_SIZE_ERR', 'IndexSizeError'],
  ['DOMSTRING_SIZE_ERR', ''],
  ['HIERARCHY_REQUEST_ERR', 'HierarchyRequestError'],
  ['WRONG_DOCUMENT_ERR', 'WrongDocumentError'],
  ['INVALID_CHARACTER_ERR', 'InvalidCharacterError'],
  ['NO_DATA_ALLOWED_ERR', ''],
  ['NO_MODIFICATION_ALLOWED_ERR', 'NoModificationAllowedError'],
  ['NOT_FOUND_ERR', 'NotFoundError'],
  ['NOT_SUPPORTED_ERR', 'NotSupportedError'],
  ['INUSE_ATTRIBUTE_ERR', 'InUseAttributeError'],
  ['INVALID_STATE_ERR', 'InvalidStateError'],
  ['SYNTAX_ERR', 'SyntaxError'],
  ['INVALID_MODIFICATION_ERR', 'InvalidModificationError'],
  ['NAMESPACE_ERR', 'NamespaceError'],
  ['INVALID_ACCESS_ERR', 'InvalidAccessError'],
  ['VALIDATION_ERR', ''],
  ['TYPE_MISMATCH_ERR', 'TypeMismatchError'],
  ['SECURITY_ERR', 'SecurityError'],
  ['NETWORK_ERR', 'NetworkError'],
  ['ABORT_ERR', 'AbortError'],
  ['URL_MISMATCH_ERR', 'URLMismatchError'],
  ['QUOTA_EXCEEDED_ERR', 'QuotaExceededError'],
  ['TIMEOUT_ERR', 'TimeoutError'],
  ['INVALID_NODE_TYPE_ERR', 'InvalidNodeTypeError'],
  ['DATA_CLONE_ERR', 'DataCloneError'],
];

/** `DOMException` of Web IDL: an error with a standard name and its legacy code. */
export class DOMException extends Error {
  readonly #message: string;
  readonly #name: string;

  constructor(message = '', options: string | { name?: string; cause?: unknown } = 'Error') {
    super();
    const named = typeof options === 'object' && options !== null ? options : { name: options };
    this.#message = `${message}`;
    this.#name = named.name === undefined ? 'Error' : `${named.name}`;
    if ('cause' in named)
      ObjectDefineProperty(this, 'cause', { value: named.cause, writable: true, configurable: true });
    // V8 wrote the first line of the stack without knowing the message.
    const { stack } = this;
    if (typeof stack !== 'string') return;
    const frames = stack.indexOf('\n    at ');
    const head = this.#message === '' ? this.#name : `${this.#name}: ${this.#message}`;
    const value = frames < 0 ? head : head + stack.slice(frames);
    ObjectDefineProperty(this, 'stack', { value, writable: true, configurable: true });
  }

  override get name(): string {
    return this.#name;
  }

  override get message(): string {
    return this.#message;
  }

  get code(): number {
    return this.#name === '' ? 0 : CODES.findIndex(([, name]) => name === this.#name) + 1;
  }
}

exposeInterface(DOMException, 'DOMException');
for (const [index, [constant]] of CODES.entries()) {
  const descriptor = { value: index + 1, enumerable: true };
  ObjectDefineProperty(DOMException, constant, descriptor);
  ObjectDefineProperty(DOMException.prototype, constant, descriptor);
}

/** `QuotaExceededError` of Web IDL: how much there is, and how much was asked for, where that is known. */
export class QuotaExceededError extends DOMException {
  readonly #quota: number | null;
  readonly #requested: number | null;

  constructor(message = '', { quota, requested }: { quota?: number; requested?: number } = {}) {
    super(message, 'QuotaExceededError');
    this.#quota = quota ?? null;
    this.#requested = requested ?? null;
  }

  get quota(): number | null {
    return this.#quota;
  }

  get requested(): number | null {
    return this.#requested;
  }
}
exposeInterface(QuotaExceededError, 'QuotaExceededError');
