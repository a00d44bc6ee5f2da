/**
 * Stands in for webidl-conversions, of which whatwg-url uses these two: the whole wants a SharedArrayBuffer, which guests
 * do not have.
 */
export const any = (value: unknown): unknown => value;

export function USVString(value: unknown, options: { context?: string } = {}): string {
  if (typeof value === 'symbol') {
    throw new TypeError(`${options.context ?? 'Value'} is a symbol, which cannot be converted to a string.`);
  }
  return `${value}`.toWellFormed();
}
