/** Begins the span of one request; null when nothing is traced. */
export type FetchTrace = (plugin: string, method: string, host: string, port: number) => RequestTrace | null;

export interface RequestTrace {
  /** What the host is told (W3C Trace Context), unless the plugin says something itself; null: nothing. */
  readonly traceparent: string | null;
  /** @param status of the answer; null when there was none @param error why there was none */
  end(status: number | null, error: unknown): void;
}
