/** The brand of an object, by a getter or method of its class that refuses all others. */
function brand(probe: (value: never) => unknown): (value: unknown) => boolean {
  return (value) => {
    if (typeof value !== 'object' || value === null) return false;
    try {
      probe(value as never);
      return true;
    } catch {
      return false;
    }
  };
}

type Getter = (this: unknown) => unknown;
const getterOf = (prototype: object, key: PropertyKey): Getter =>
  Object.getOwnPropertyDescriptor(prototype, key)?.get as Getter;

const tagOf = Object.prototype.toString;
/** For classes without a method that tells; a `Symbol.toStringTag` of one's own deceives it. */
const tagged = (tag: string) => (value: unknown) =>
  (typeof value === 'object' || typeof value === 'function') && tagOf.call(value) === `[object ${tag}]`;

const typedArrayTag = getterOf(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const typed = (name: string) => (value: unknown) => typedArrayTag.call(value) === name;

const bufferBytes = getterOf(ArrayBuffer.prototype, 'byteLength');
const viewBytes = getterOf(DataView.prototype, 'byteLength');
const mapSize = getterOf(Map.prototype, 'size');
const setSize = getterOf(Set.prototype, 'size');
const { valueOf: numberValue } = Number.prototype;
const { valueOf: stringValue } = String.prototype;
const { valueOf: booleanValue } = Boolean.prototype;
const { valueOf: symbolValue } = Symbol.prototype;
const { valueOf: bigintValue } = BigInt.prototype;
const { getTime } = Date.prototype;
const { has: weakMapHas } = WeakMap.prototype;
const { has: weakSetHas } = WeakSet.prototype;
const { deref } = WeakRef.prototype;
const dotAll = getterOf(RegExp.prototype, 'dotAll');

export const isExternal = (): boolean => false;
export const isProxy = (): boolean => false;
export const isSharedArrayBuffer = (): boolean => false;
export const isModuleNamespaceObject = (): boolean => false;
export const isKeyObject = (): boolean => false;
export const isCryptoKey = tagged('CryptoKey');
export const isEventTarget = (value: unknown): boolean => value instanceof EventTarget;

export const isDate = brand((value) => getTime.call(value));
export const isRegExp = brand((value) => dotAll.call(value));
export const isNativeError = (value: unknown): boolean => Error.isError(value);
export const isPromise = (value: unknown): boolean => value instanceof Promise;

export const isMap = brand((value) => mapSize.call(value));
export const isSet = brand((value) => setSize.call(value));
export const isWeakMap = brand((value) => weakMapHas.call(value, {}));
export const isWeakSet = brand((value) => weakSetHas.call(value, {}));
export const isWeakRef = brand((value) => deref.call(value));
export const isMapIterator = tagged('Map Iterator');
export const isSetIterator = tagged('Set Iterator');
export const isGeneratorObject = tagged('Generator');
export const isArgumentsObject = tagged('Arguments');

const isAsyncFunctionTagged = tagged('AsyncFunction');
const isAsyncGeneratorTagged = tagged('AsyncGeneratorFunction');
const isGeneratorTagged = tagged('GeneratorFunction');
export const isAsyncFunction = (value: unknown): boolean =>
  isAsyncFunctionTagged(value) || isAsyncGeneratorTagged(value);
export const isGeneratorFunction = (value: unknown): boolean =>
  isGeneratorTagged(value) || isAsyncGeneratorTagged(value);

export const isNumberObject = brand((value) => numberValue.call(value));
export const isStringObject = brand((value) => stringValue.call(value));
export const isBooleanObject = brand((value) => booleanValue.call(value));
export const isSymbolObject = brand((value) => symbolValue.call(value));
export const isBigIntObject = brand((value) => bigintValue.call(value));
export const isBoxedPrimitive = (value: unknown): boolean =>
  isNumberObject(value) ||
  isStringObject(value) ||
  isBooleanObject(value) ||
  isSymbolObject(value) ||
  isBigIntObject(value);

export const isArrayBuffer = brand((value) => bufferBytes.call(value));
export const isAnyArrayBuffer = isArrayBuffer;
export const isDataView = brand((value) => viewBytes.call(value));
export const { isView: isArrayBufferView } = ArrayBuffer;
export const isTypedArray = (value: unknown): boolean => typedArrayTag.call(value) !== undefined;
export const isUint8Array = typed('Uint8Array');
export const isUint8ClampedArray = typed('Uint8ClampedArray');
export const isUint16Array = typed('Uint16Array');
export const isUint32Array = typed('Uint32Array');
export const isInt8Array = typed('Int8Array');
export const isInt16Array = typed('Int16Array');
export const isInt32Array = typed('Int32Array');
export const isFloat16Array = typed('Float16Array');
export const isFloat32Array = typed('Float32Array');
export const isFloat64Array = typed('Float64Array');
export const isBigInt64Array = typed('BigInt64Array');
export const isBigUint64Array = typed('BigUint64Array');
