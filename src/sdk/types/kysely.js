import {
  CompiledQuery,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler
} from "kysely";

export class StreamspaceDialect {
  #config;
  constructor(config = {}) {
    this.#config = config;
  }
  createDriver() {
    return new StreamspaceDriver(this.#config);
  }
  createQueryCompiler() {
    return new PostgresQueryCompiler;
  }
  createAdapter() {
    return new StreamspaceAdapter;
  }
  createIntrospector(db) {
    return new PostgresIntrospector(db);
  }
}
const LOCK_KEY = 3853314791;
const LOCK_MS = 120000;

class StreamspaceAdapter extends PostgresAdapter {
  #held = new WeakMap;
  async acquireMigrationLock(db) {
    const held = await OpenTransaction.begin(streamspace.database, { timeoutMs: LOCK_MS });
    this.#held.set(db, held);
    await held.tx.query("select pg_advisory_xact_lock($1)", [LOCK_KEY]);
  }
  async releaseMigrationLock(db) {
    const held = this.#held.get(db);
    this.#held.delete(db);
    await held?.rollback();
  }
}

class OpenTransaction {
  tx;
  #end;
  #done;
  constructor(tx, end, done) {
    this.tx = tx;
    this.#end = end;
    this.#done = done;
  }
  static begin(database, options) {
    return new Promise((resolve, reject) => {
      const end = Promise.withResolvers();
      const done = database.transaction((tx) => {
        resolve(new OpenTransaction(tx, end, done));
        return end.promise;
      }, options);
      done.catch(reject);
    });
  }
  async commit() {
    this.#end.resolve();
    await this.#done;
  }
  async rollback() {
    const asked = new Error("rolled back as asked");
    this.#end.reject(asked);
    await this.#done.catch((error) => {
      if (error !== asked)
        throw error;
    });
  }
}

class StreamspaceDriver {
  #config;
  constructor(config) {
    this.#config = config;
  }
  async init() {}
  async acquireConnection() {
    return new StreamspaceConnection;
  }
  async beginTransaction(connection, settings) {
    const { transactionTimeoutMs } = this.#config;
    const isolation = isolationOf(settings);
    await ours(connection).begin({
      ...isolation === undefined ? {} : { isolation },
      ...settings.accessMode === "read only" ? { readOnly: true } : {},
      ...transactionTimeoutMs === undefined ? {} : { timeoutMs: transactionTimeoutMs }
    });
  }
  async commitTransaction(connection) {
    await ours(connection).end("commit");
  }
  async rollbackTransaction(connection) {
    await ours(connection).end("rollback");
  }
  async savepoint(connection, name) {
    await connection.executeQuery(CompiledQuery.raw(`savepoint ${quoted(name)}`));
  }
  async rollbackToSavepoint(connection, name) {
    await connection.executeQuery(CompiledQuery.raw(`rollback to savepoint ${quoted(name)}`));
  }
  async releaseSavepoint(connection, name) {
    await connection.executeQuery(CompiledQuery.raw(`release savepoint ${quoted(name)}`));
  }
  async releaseConnection(connection) {
    await ours(connection).end("rollback");
  }
  async destroy() {}
}

class StreamspaceConnection {
  #open = null;
  async begin(options) {
    this.#open = await OpenTransaction.begin(streamspace.database, options);
  }
  async end(how) {
    const open = this.#open;
    this.#open = null;
    await open?.[how]();
  }
  async executeQuery({ sql, parameters }) {
    const { command, count, rows } = await this.#queries().exec(sql, parameters);
    return CHANGES.has(command) ? { rows, numAffectedRows: BigInt(count) } : { rows };
  }
  async* streamQuery({ sql, parameters }, chunkSize) {
    let rows = [];
    for await (const row of this.#queries().stream(sql, parameters)) {
      if (rows.push(row) < chunkSize)
        continue;
      yield { rows };
      rows = [];
    }
    if (rows.length > 0)
      yield { rows };
  }
  #queries() {
    return this.#open?.tx ?? streamspace.database;
  }
}
const CHANGES = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);
function isolationOf({ isolationLevel }) {
  if (isolationLevel === "read uncommitted")
    return "read committed";
  if (isolationLevel === "snapshot")
    throw new Error('Postgres has no isolation level "snapshot": "repeatable read" is it');
  return isolationLevel;
}
function ours(connection) {
  if (connection instanceof StreamspaceConnection)
    return connection;
  throw new TypeError("The connection is not one of this dialect");
}
function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}
