import type { Log } from '../log.ts';
import { HOST_LIMITS } from './limits.ts';

/** What a child prints is a sign of trouble: it goes to the log, cut, and so many pieces a minute. */
export function outputLog(log: Log): (text: string) => void {
  let [from, pieces] = [performance.now(), 0];
  return (text) => {
    if (performance.now() - from > 60_000) [from, pieces] = [performance.now(), 0];
    pieces += 1;
    if (pieces > HOST_LIMITS.outputPerMinute) return;
    const output = text.slice(0, 8_192).trim();
    if (output !== '') log.warn({ output }, 'isolate host');
    if (pieces === HOST_LIMITS.outputPerMinute)
      log.warn('the isolate host goes on printing: the rest of the minute is dropped');
  };
}

export async function forwardOutput(stream: ReadableStream<Uint8Array>, log: Log): Promise<void> {
  const decoder = new TextDecoder();
  const write = outputLog(log);
  for await (const chunk of stream) write(decoder.decode(chunk, { stream: true }));
}
