import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import {
  type InputOf,
  type Methods,
  type OutputOf,
  SERVICES,
  type ServiceMethod,
  type ServiceName,
} from '../../sandbox-apis/services/kinds.ts';
import { decoder, parseLimited } from '../host/decode.ts';
import { GuestFailure, type InvokeAnswer } from '../host/guest.ts';
import type { Switches } from '../permissions/switches.ts';
import type { Instance } from '../plugins/instance.ts';
import type { Lifecycle } from '../plugins/lifecycle.ts';
import { invokeTraced } from '../telemetry/invoke.ts';

export interface ServiceCallDeps {
  readonly lifecycle: () => Pick<Lifecycle, 'get'>;
  readonly switches: Pick<Switches, 'isOff'>;
}

/** What a provider answered: checked JSON, or a body. */
export interface ServiceAnswer<T> {
  readonly value: T;
  readonly body: ReadableStream<Uint8Array> | null;
}

export interface ServiceCallOptions {
  /** Bytes for a method that takes them along. */
  readonly body?: ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** Asks plugins for the services that they provide; which plugin, whoever asks has been told by the operator. */
export interface ServiceCalls {
  /**
   * @throws CodedError `service_unavailable` (the plugin is not there, or does not provide it) and `service_failed`, both
   *   with `plugin`
   */
  call<S extends ServiceName, M extends keyof Methods<S> & string>(
    plugin: string,
    service: S,
    method: M,
    input: InputOf<S, M>,
    options?: ServiceCallOptions,
  ): Promise<ServiceAnswer<OutputOf<S, M>>>;
}

/** The head of an answer that is a body, as the guest's `services` room writes it. */
const Head = Type.Object({
  found: Type.Boolean(),
  stream: Type.Optional(Type.Integer({ minimum: 1, maximum: 0xffff_ffff })),
});
const decodeHead = decoder(Head);
const checks = new Map<TSchema, TypeCheck<TSchema>>();

export function createServiceCalls({ lifecycle, switches }: ServiceCallDeps): ServiceCalls {
  return {
    async call(plugin, service, name, input, { body, signal } = {}) {
      const methods: Readonly<Record<string, ServiceMethod>> = SERVICES[service].methods;
      const method = methods[name] as ServiceMethod;
      const instance = await providerOf(plugin, service);
      const { handler } = instance.registrations.services.find((one) => one.name === service) ?? {};
      if (handler === undefined) throw unavailable(plugin, service, 'does not provide it');
      let answer: InvokeAnswer;
      try {
        instance.admit();
        answer = await invokeTraced(plugin, instance.guest, {
          lane: handler,
          what: `service ${service}.${name}`,
          payload: JSON.stringify({ method: name, input, answersBody: method.body === 'out' }),
          stream: body ?? null,
          deadlineMs: method.deadlineMs,
          ...(signal === undefined ? {} : { cancelled: () => signal.aborted }),
        });
      } catch (error) {
        throw failed(plugin, service, error instanceof GuestFailure ? instance.failure(error) : error);
      }
      if (answer.sent !== null) instance.guest.streams.end(answer.sent);
      return method.body === 'out' ? bodyOf(instance, service, answer) : jsonOf(instance, service, method, answer);
    },
  };

  async function providerOf(name: string, service: ServiceName): Promise<Instance> {
    const plugin = lifecycle().get(name);
    if (plugin === undefined) throw unavailable(name, service, 'is not installed');
    if (switches.isOff(name, 'services')) throw unavailable(name, service, 'has its services switched off');
    try {
      return await plugin.ready();
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      throw unavailable(name, service, `is not running: ${error.message}`);
    }
  }
}

function bodyOf<T>(instance: Instance, service: ServiceName, answer: InvokeAnswer): ServiceAnswer<T> {
  const head: Static<typeof Head> | undefined = decodeHead(answer.head);
  if (head === undefined) throw badAnswer(instance, service);
  const value = { found: head.found } as T;
  if (!head.found) return { value, body: null };
  if (head.stream === undefined) return { value, body: new Blob([answer.body as Buffer<ArrayBuffer>]).stream() };
  const { streams } = instance.guest;
  if (!streams.mayReceive(head.stream)) throw badAnswer(instance, service);
  const body = streams.receive(head.stream, { capability: 'services' });
  return { value, body: withFailure(body, (error) => brokeOff(instance, service, error)) };
}

/** The same stream; what breaks it becomes an error of ours. */
function withFailure(
  source: ReadableStream<Uint8Array>,
  toError: (error: unknown) => unknown,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          throw toError(error);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function brokeOff({ name, parts }: Instance, service: ServiceName, error: unknown): unknown {
  const why = error instanceof Error ? error.message : String(error);
  parts.log('error', `The body of an answer of the service ${service} broke off: ${why}`);
  return failed(name, service, error instanceof CodedError ? error : new CodedError('plugin_error', why));
}

function jsonOf<T>(
  instance: Instance,
  service: ServiceName,
  { output }: ServiceMethod,
  { body }: InvokeAnswer,
): ServiceAnswer<T> {
  let check = checks.get(output);
  if (check === undefined) {
    check = TypeCompiler.Compile(output);
    checks.set(output, check);
  }
  const value = body.length === 0 ? null : parseLimited(body.toString('utf8'));
  if (value === undefined || !check.Check(value)) throw badAnswer(instance, service);
  return { value: value as T, body: null };
}

function unavailable(plugin: string, service: ServiceName, why: string): CodedError {
  const message = `The plugin "${plugin}", which is to provide the service ${service}, ${why}`;
  return new CodedError('service_unavailable', message, { plugin, service, retryAfter: 5 });
}

/** What the provider said of itself is for its own log. */
function failed(plugin: string, service: ServiceName, error: unknown): unknown {
  if (!(error instanceof CodedError)) return error;
  if (error.code === 'plugin_unavailable') return unavailable(plugin, service, 'is being restarted');
  const { errorId } = error.extra;
  const message = `The plugin "${plugin}", which provides the service ${service}, failed (${error.code})`;
  return new CodedError('service_failed', message, { plugin, service, ...(errorId === undefined ? {} : { errorId }) });
}

function badAnswer({ name, parts }: Instance, service: ServiceName): CodedError {
  parts.log('error', `The provider of the service ${service} gave an answer that is not valid`);
  return failed(name, service, new CodedError('plugin_bad_answer')) as CodedError;
}
