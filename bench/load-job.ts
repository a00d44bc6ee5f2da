/** One request, as the load process sends it and what it has to be answered with. */
export interface LoadRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as `application/json`; null for none. */
  readonly body: string | null;
  /** The body of the answer, byte by byte; its status is 200. */
  readonly expect: string;
}

/** What the load process is told to do: keep-alive connections, each with one request under way at a time. */
export interface LoadJob {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly connections: number;
  /** Milliseconds before counting begins. */
  readonly warmMs: number;
  /** Milliseconds of counting. */
  readonly durationMs: number;
  /** Taken in turn by each connection, which begin at different ones. */
  readonly requests: readonly LoadRequest[];
}

export interface LoadResult {
  /** Answers within the counted time. */
  readonly answers: number;
  /** Answers in all, warming up included. */
  readonly total: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Answers that were not as expected, and requests without one. */
  readonly wrong: number;
  /** The first of those. */
  readonly firstWrong: string | null;
  /** CPU time of the load process itself, all answers included. */
  readonly cpuMs: number;
}
