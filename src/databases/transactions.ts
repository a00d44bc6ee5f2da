import type { Caller } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Transaction } from './transaction.ts';

interface OfIsolate {
  last: number;
  readonly open: Map<number, Transaction>;
}

/** Transactions of an isolate that are remembered, at least; no more than a few are open at a time. */
const KEPT = 32;

/** The open transactions of the isolates, by numbers that are each isolate's own. */
export class Transactions {
  readonly #isolates = new Map<number, OfIsolate>();

  add(isolate: number, transaction: Transaction): number {
    let of = this.#isolates.get(isolate);
    if (of === undefined) {
      of = { last: 0, open: new Map() };
      this.#isolates.set(isolate, of);
    }
    of.last += 1;
    of.open.set(of.last, transaction);
    // Those that ended by themselves stay for a while, to say why.
    for (const [number, { isOver }] of of.open) if (isOver && of.open.size > KEPT) of.open.delete(number);
    return of.last;
  }

  /** @throws CodedError `transaction_over` when the isolate has none of that number any more */
  of({ isolate }: Caller, number: number): Transaction {
    const transaction = this.#isolates.get(isolate)?.open.get(number);
    if (transaction === undefined) throw new CodedError('transaction_over', `There is no open transaction ${number}`);
    return transaction;
  }

  /** It is not to be found any more. */
  remove({ isolate }: Caller, number: number): void {
    this.#isolates.get(isolate)?.open.delete(number);
  }

  onGone(isolate: number): void {
    this.#isolates.delete(isolate);
  }
}
