import { definePlugin } from '@streamspace/sdk';
import { stageFor, standForWorker } from './environment.ts';

/** What the runner sends: see assemble(). */
interface Program {
  readonly href: string;
  readonly title: string;
  readonly harness: string;
  readonly script: string;
  readonly deadlineMs: number;
}

/** What testharness.js tells of a subtest, and of the run as a whole. */
interface HarnessTest {
  readonly name: string;
  readonly status: number;
  readonly message: string | null;
}
type HarnessStatus = Pick<HarnessTest, 'status' | 'message'>;
type Watch<Args extends readonly unknown[]> = (callback: (...args: Args) => void) => void;
interface Harness {
  readonly add_result_callback: Watch<[HarnessTest]>;
  readonly add_completion_callback: Watch<[readonly HarnessTest[], HarnessStatus]>;
  /** Ends the run; what has not ended yet is told as timed out. */
  readonly timeout: () => void;
}

/** Characters of a failure's message: what a reader needs of it. */
const MESSAGE_CHARS = 500;
const HARNESS_ERROR = 1;

// The tests may break what they find: what the way back needs is taken before they run.
const { parse, stringify } = JSON;
const { setTimeout } = globalThis;
// biome-ignore lint/security/noGlobalEval: the tests are scripts of a global scope, which only this runs as such
const evaluate = globalThis.eval;
const readText = Request.prototype.text;
const Answer = Response;

const brief = (message: unknown): string => `${message ?? ''}`.slice(0, MESSAGE_CHARS);
const thrown = (error: unknown): HarnessStatus => {
  const { stack } = (error ?? {}) as Partial<Error>;
  return { status: HARNESS_ERROR, message: `thrown: ${brief(error)} ${brief(stack)}` };
};

/** Runs one file as a browser runs the scripts of its page; answers how it ended, null when it did not. */
async function run(
  { href, title, harness, script, deadlineMs }: Program,
  onResult: (test: HarnessTest) => void,
): Promise<HarnessStatus | null> {
  const ended = Promise.withResolvers<HarnessStatus | null>();
  stageFor(href, title);
  evaluate(harness);
  standForWorker();
  const { add_result_callback, add_completion_callback, timeout } = globalThis as unknown as Harness;
  add_result_callback(onResult);
  add_completion_callback((_tests, status) => ended.resolve(status));
  setTimeout(() => {
    timeout();
    ended.resolve(null);
  }, deadlineMs);
  evaluate(script);
  return ended.promise;
}

// A fresh isolate runs one file: the harness and the file come in the body of the request.
export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/run',
      async (request) => {
        const program = parse(await readText.call(request)) as Program;
        const results: (readonly [name: string, status: number, message: string])[] = [];
        const end = await run(program, ({ name, status, message }) => {
          results[results.length] = [name, status, brief(message)];
        }).catch(thrown);
        return new Answer(stringify({ results, end: end === null ? null : [end.status, brief(end.message)] }));
      },
      { auth: 'public' },
    );
  },
});
