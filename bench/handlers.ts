/**
 * The handlers that are measured. The bare server imports this file, and the fixtures carry a copy of it, so that both
 * sides run the same code.
 */

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly lines: readonly OrderLine[];
}

export interface OrderLine {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly price: number;
  readonly gift: boolean;
  readonly tags: readonly string[];
}

/** The small JSON answer. */
export function greet(name: string) {
  return { ok: true, message: `Hello from ${name}`, items: [1, 2, 3] };
}

/** JSON in and out: the order with its total, in cents. */
export function priced(order: Order) {
  let total = 0;
  for (const { quantity, price } of order.lines) total += quantity * price;
  return { ...order, total };
}
