import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Column, Statement } from '../../sandbox-apis/database/service.ts';
import type { ArrayTypes } from './array-types.ts';
import { closePortal, fetchPortal, openPortal } from './exchange.ts';
import { PLUGIN_DATABASE_LIMITS as LIMITS } from './limits.ts';
import type { Transaction } from './transaction.ts';
import type { WireBudget } from './wire-guard.ts';

const PORTION: WireBudget = {
  rows: LIMITS.portionMostBytes,
  row: LIMITS.rowBytes,
  others: LIMITS.otherBytes,
  copy: false,
};
/** Rows that are asked for before anything is known of their size. */
const FIRST_ROWS = 16;

export interface RowStream {
  readonly columns: readonly Column[];
  readonly rows: ReadableStream<Uint8Array>;
}

export interface StreamDeps {
  readonly transaction: Transaction;
  readonly types: ArrayTypes;
  /** Looks at the size of the database before rows are made. */
  readonly admit: () => void;
  /** It is over: read to its end, or not. */
  readonly onEnd: (isWhole: boolean) => Promise<void>;
}

/**
 * Runs a statement in a transaction as a portal, whose rows are asked for in portions as they are read: lines of JSON, an
 * array each. Other statements of the transaction run between the portions.
 */
export async function streamRows(
  deps: StreamDeps,
  { sql, params }: Statement,
  signal: AbortSignal,
): Promise<RowStream> {
  const { transaction, types, onEnd } = deps;
  const { use } = transaction;
  const portal = transaction.nextPortal();
  const columns = await transaction.do(signal, async (connection, both) => {
    const { fields } = await connection.run(openPortal(portal, sql, params), both);
    return types.columns(connection, fields ?? [], both);
  });

  let rowsAtATime = FIRST_ROWS;
  let timer = setTimeout(() => undefined, 0);
  let isOver = false;
  const end = async (isWhole: boolean): Promise<void> => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    await onEnd(isWhole);
  };
  const close = async (): Promise<void> => {
    // Of no use when the transaction is over: the portal is gone with it.
    await transaction
      .do(use.signal, (connection, both) => connection.run(closePortal(portal), both))
      .catch(() => undefined);
    await end(false);
  };
  const failed = async (error: unknown): Promise<never> => {
    await end(false);
    throw error;
  };
  /** The next portion, encoded; null at the end. */
  const next = async (): Promise<Uint8Array | null> => {
    const { rows, suspended, bytes } = await transaction.do(use.signal, async (connection, both) => {
      deps.admit();
      const outcome = await connection.run(fetchPortal(portal, rowsAtATime), both, PORTION);
      return { ...outcome, bytes: connection.guard.rowBytes };
    });
    if (!suspended) await end(true);
    if (rows.length === 0) return null;
    const fitting = Math.floor((LIMITS.portionBytes * rows.length) / Math.max(bytes, 1));
    rowsAtATime = Math.min(Math.max(fitting, 1), rowsAtATime * 4, LIMITS.portionRows);
    return Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  };

  const rows = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(timer);
        const portion = isOver ? null : await next().catch(failed);
        if (portion !== null) controller.enqueue(portion);
        if (portion === null) controller.close();
        else if (!isOver) {
          timer = setTimeout(() => {
            controller.error(new CodedError('deadline_exceeded', `Nobody read the rows for ${LIMITS.streamIdleMs} ms`));
            void close();
          }, LIMITS.streamIdleMs);
        }
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
  return { columns, rows };
}
