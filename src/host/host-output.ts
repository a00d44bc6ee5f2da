import type { Log } from '../log.ts';
import { HOST_LIMITS } from './limits.ts';

/** What the child prints is a sign of trouble: it goes to the log, cut and by the line. */
export async function forwardOutput(stream: ReadableStream<Uint8Array>, log: Log): Promise<void> {
  const decoder = new TextDecoder();
  let [from, lines] = [performance.now(), 0];
  for await (const chunk of stream) {
    if (performance.now() - from > 60_000) [from, lines] = [performance.now(), 0];
    lines += 1;
    if (lines > HOST_LIMITS.outputPerMinute) continue;
    const text = decoder.decode(chunk, { stream: true }).slice(0, 8_192).trim();
    if (text !== '') log.warn({ output: text }, 'isolate host');
    if (lines === HOST_LIMITS.outputPerMinute)
      log.warn('the isolate host goes on printing: the rest of the minute is dropped');
  }
}
