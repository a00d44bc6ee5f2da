import type { Caller } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import { canonicalAddress } from './addresses.ts';
import { networkFailure } from './failure.ts';
import { addressGrant, FETCH_RULES, type HostRules, mayConnect, type Target } from './permission.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

export type Lookup = (host: string) => Promise<readonly ResolvedAddress[]>;

export interface FetchLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ResolveDeps {
  readonly lookup: Lookup;
  readonly log: FetchLog;
  /** A grant by number was what let an address through. */
  readonly used?: (caller: Caller, grant: string) => void;
  /** Whose permissions name the addresses; those of `fetch` when absent. */
  readonly rules?: HostRules;
}

/** More than these are not tried one after the other. */
const MAX_ADDRESSES = 4;

/**
 * The addresses to connect to, each judged. One that is not allowed refuses them all: a name that is public and private
 * at once is not to be trusted.
 * @throws CodedError `network_blocked`, or `network_failed` when the name is not known
 */
export async function resolve(
  { lookup, log, used, rules = FETCH_RULES }: ResolveDeps,
  caller: Caller,
  target: Target,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = target.literal ? [target.host] : await addressesOf(lookup, target, signal);
  const good: string[] = [];
  for (const text of found) {
    const address = canonicalAddress(text);
    if (address === null || !mayConnect(caller.grants, target, address, rules)) {
      // The address is for the operator only: a plugin learns nothing of the network inside.
      log.warn({ plugin: caller.plugin, host: target.host, port: target.port, address: text }, `${rules.room} blocked`);
      throw new CodedError(
        'network_blocked',
        `${target.host} has an address that is not public; name the address itself in a permission`,
      );
    }
    const grant = target.literal ? undefined : addressGrant(caller.grants, target, address, rules);
    if (grant !== undefined) used?.(caller, grant);
    if (!good.includes(address)) good.push(address);
  }
  return good.slice(0, MAX_ADDRESSES);
}

async function addressesOf(lookup: Lookup, target: Target, signal: AbortSignal): Promise<string[]> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const found = await Promise.race([lookup(target.host), aborted]);
    if (found.length === 0) throw new Error('the name has no address');
    return found.map(({ address }) => address);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw networkFailure(target, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
