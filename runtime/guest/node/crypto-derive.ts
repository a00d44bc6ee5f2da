import {
  assertCallback,
  type Buffer,
  bytesOf,
  CryptoRequest,
  callBack,
  type Data,
  type Fields,
  nodeError,
  output,
} from './crypto-host.ts';

/** @throws RangeError ERR_OUT_OF_RANGE */
function count(value: unknown, what: string, least = 0): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= 0x7fff_ffff) return value;
  throw nodeError(new RangeError(`The value of "${what}" is out of range`), 'ERR_OUT_OF_RANGE');
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
function digestText(digest: unknown): string {
  if (typeof digest === 'string') return digest;
  throw nodeError(new TypeError('The "digest" argument must be of type string'), 'ERR_INVALID_ARG_TYPE');
}

type Ask = readonly [request: CryptoRequest, fields: Fields];

function pbkdf2Ask(password: Data, salt: Data, iterations: unknown, keylen: unknown, digest: unknown): Ask {
  const request = new CryptoRequest();
  return [
    request,
    {
      password: request.bytes(bytesOf(password, 'password')),
      salt: request.bytes(bytesOf(salt, 'salt')),
      iterations: count(iterations, 'iterations', 1),
      length: count(keylen, 'keylen'),
      digest: digestText(digest),
    },
  ];
}

export function pbkdf2Sync(password: Data, salt: Data, iterations: number, keylen: number, digest: string): Buffer {
  const [request, fields] = pbkdf2Ask(password, salt, iterations, keylen, digest);
  return output(request.now('pbkdf2', fields).body) as Buffer;
}

export function pbkdf2(
  password: Data,
  salt: Data,
  iterations: number,
  keylen: number,
  digest: string,
  callback: unknown,
): void {
  assertCallback<Buffer>(callback);
  later('pbkdf2', pbkdf2Ask(password, salt, iterations, keylen, digest), callback);
}

interface ScryptOptions {
  readonly N?: number;
  readonly cost?: number;
  readonly r?: number;
  readonly blockSize?: number;
  readonly p?: number;
  readonly parallelization?: number;
}

function scryptAsk(password: Data, salt: Data, keylen: unknown, options: ScryptOptions): Ask {
  const request = new CryptoRequest();
  return [
    request,
    {
      password: request.bytes(bytesOf(password, 'password')),
      salt: request.bytes(bytesOf(salt, 'salt')),
      length: count(keylen, 'keylen'),
      N: count(options.N ?? options.cost ?? 16_384, 'N', 1),
      r: count(options.r ?? options.blockSize ?? 8, 'r', 1),
      p: count(options.p ?? options.parallelization ?? 1, 'p', 1),
    },
  ];
}

export function scryptSync(password: Data, salt: Data, keylen: number, options: ScryptOptions = {}): Buffer {
  const [request, fields] = scryptAsk(password, salt, keylen, options);
  return output(request.now('scrypt', fields).body) as Buffer;
}

export function scrypt(password: Data, salt: Data, keylen: number, options: unknown, callback?: unknown): void {
  const given = (typeof options === 'function' ? {} : (options ?? {})) as ScryptOptions;
  const done = typeof options === 'function' ? options : callback;
  assertCallback<Buffer>(done);
  later('scrypt', scryptAsk(password, salt, keylen, given), done);
}

function hkdfAsk(digest: unknown, key: unknown, salt: Data, info: Data, keylen: unknown): Ask {
  const request = new CryptoRequest();
  const { export: exported } = key as { export?: () => unknown };
  const material = typeof exported === 'function' ? exported.call(key) : key;
  return [
    request,
    {
      password: request.bytes(bytesOf(material, 'ikm')),
      salt: request.bytes(bytesOf(salt, 'salt')),
      info: request.bytes(bytesOf(info, 'info')),
      length: count(keylen, 'keylen'),
      digest: digestText(digest),
    },
  ];
}

/** An ArrayBuffer of its own. */
function bufferOf(latin1: string): ArrayBuffer {
  return Uint8Array.from(output(latin1) as Buffer).buffer;
}

export function hkdfSync(digest: string, ikm: unknown, salt: Data, info: Data, keylen: number): ArrayBuffer {
  const [request, fields] = hkdfAsk(digest, ikm, salt, info, keylen);
  return bufferOf(request.now('hkdf', fields).body);
}

export function hkdf(digest: string, ikm: unknown, salt: Data, info: Data, keylen: number, callback: unknown): void {
  assertCallback<ArrayBuffer>(callback);
  const [request, fields] = hkdfAsk(digest, ikm, salt, info, keylen);
  callBack(
    request.later('hkdf', fields).then(({ body }) => [bufferOf(body)]),
    callback,
  );
}

function later(op: string, [request, fields]: Ask, callback: (error: Error | null, key: Buffer) => void): void {
  callBack(
    request.later(op, fields).then(({ body }) => [output(body) as Buffer]),
    callback as (error: Error | null, ...values: Buffer[]) => void,
  );
}
