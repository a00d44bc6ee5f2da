/**
 * When a statement of a schema runs: types, functions and tables first, then what reads them, then the data, and after it
 * what would be in the data's way: indexes, constraints, triggers.
 */
export type Stage = 'make' | 'derive' | 'finish';

/** What makes one object of a plugin's schema, or one of its properties. */
export interface SchemaStatement {
  readonly stage: Stage;
  /** Such as `table` or `index`. */
  readonly kind: string;
  /** The object's name as SQL writes it; together with the kind it names the statement. */
  readonly name: string;
  readonly sql: string;
}

/** A table whose rows are in the backup. Names as they are, not quoted. */
export interface DataTable {
  readonly table: string;
  /** All that are not generated. */
  readonly columns: readonly string[];
}

export interface SequenceValue {
  /** Not quoted. */
  readonly sequence: string;
  readonly last: string;
  readonly called: boolean;
}
