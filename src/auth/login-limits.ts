import ipaddr from 'ipaddr.js';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';

/** A person mistypes a few times; nobody needs more tries at one account from one place. */
const PER_ACCOUNT = { points: 5, duration: 15 * 60 };
/** An office behind one address signs in at nine; one machine walking a list of accounts is stopped. */
const PER_IP = { points: 50, duration: 15 * 60 };

/** Counts login attempts, in this process: each replica allows its own share. */
export interface LoginLimits {
  /** Counts an attempt before it is made, so that parallel ones cannot slip through. Errors: `rate_limited`. */
  attempt(ip: string, email: string): Promise<void>;
  /** Takes a successful attempt back. */
  succeeded(ip: string, email: string): Promise<void>;
}

export function createLoginLimits(): LoginLimits {
  const perAccount = new RateLimiterMemory({ keyPrefix: 'account', ...PER_ACCOUNT });
  const perIp = new RateLimiterMemory({ keyPrefix: 'ip', ...PER_IP });
  return {
    async attempt(ip, email) {
      const network = networkOf(ip);
      await consume(perIp, network);
      await consume(perAccount, `${network} ${email}`);
    },
    async succeeded(ip, email) {
      const network = networkOf(ip);
      await perIp.reward(network, 1);
      await perAccount.delete(`${network} ${email}`);
    },
  };
}

/** An IPv6 subscriber owns a /64 at least, so that is what counts as one place. */
function networkOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip;
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return address.toString();
  return ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/64`).toString();
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    const retryAfter = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
    throw new CodedError('rate_limited', 'Too many attempts to sign in', { retryAfter });
  }
}
