import { BUILT_IN_HANDLER } from '../../runtime/protocol/messages.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Resident } from '../broker/answer.ts';
import { parseLimited } from '../host/decode.ts';
import { type Guest, GuestFailure, type InvokeAnswer, type InvokeRequest } from '../host/guest.ts';
import type { PluginLimits } from '../host/limits.ts';
import type { Manifest } from '../packages/manifest.ts';
import type { PluginQuotas } from '../quotas/plugin-quotas.ts';
import { invokeTraced } from '../telemetry/invoke.ts';
import type { PluginMeter } from './meters.ts';
import type { RegistrationSet } from './registrations.ts';
import type { StackMapper } from './source-map.ts';

/** Writes a line to one plugin's log. */
export type WriteLog = (
  level: 'debug' | 'info' | 'warn' | 'error' | 'fatal',
  message: string,
  fields?: Record<string, unknown>,
) => void;

export interface InstanceParts {
  readonly guest: Guest;
  readonly resident: Resident;
  readonly manifest: Manifest;
  readonly packageDigest: string;
  readonly limits: PluginLimits;
  readonly registrations: RegistrationSet;
  readonly stacks: StackMapper;
  readonly log: WriteLog;
  /** The text without the plugin's secrets. */
  readonly mask: (text: string) => string;
  readonly meter: PluginMeter;
  readonly quotas: Pick<PluginQuotas, 'admit'>;
}

/** One loaded version of a plugin: its isolate, and what it registered. A reload makes another. */
export class Instance {
  readonly parts: InstanceParts;

  constructor(parts: InstanceParts) {
    this.parts = parts;
    parts.guest.onSettled = parts.meter.observe;
  }

  get name(): string {
    return this.parts.manifest.name;
  }
  get guest(): Guest {
    return this.parts.guest;
  }
  get limits(): PluginLimits {
    return this.parts.limits;
  }
  get registrations(): RegistrationSet {
    return this.parts.registrations;
  }

  /**
   * Asks whether one more invocation may begin; whoever passes on what others ask calls it right before. Hooks need not:
   * the core itself runs them.
   *
   * @throws CodedError `quota_exceeded`
   */
  admit(): void {
    this.parts.quotas.admit(this.parts.guest.calls, this.parts.limits);
  }

  /**
   * Runs a handler whose answer is JSON. What the guest throws becomes `plugin_error` with an `errorId` that is in the
   * plugin's log.
   *
   * @throws CodedError `plugin_error`, `plugin_bad_answer`, `plugin_deadline`, `plugin_unavailable`, `aborted`
   */
  async call(
    lane: number,
    what: string,
    payload: unknown,
    options: { deadlineMs?: number; signal?: AbortSignal; depth?: number } = {},
  ): Promise<unknown> {
    const { deadlineMs = this.limits.wallMsPerCall, signal, depth } = options;
    const answer = await this.#invoke({
      lane,
      what,
      payload: JSON.stringify(payload) ?? 'null',
      deadlineMs,
      ...(signal === undefined ? {} : { cancelled: () => signal.aborted }),
      ...(depth === undefined ? {} : { depth }),
    });
    if (answer.body.length === 0) return null;
    const value = parseLimited(answer.body.toString('utf8'));
    if (value === undefined) throw new CodedError('plugin_bad_answer', 'The plugin answered what is not valid JSON');
    return value;
  }

  async #invoke(request: InvokeRequest): Promise<InvokeAnswer> {
    try {
      return await invokeTraced(this.name, this.guest, request);
    } catch (error) {
      throw error instanceof GuestFailure ? this.failure(error) : error;
    }
  }

  load(): Promise<unknown> {
    return this.call(BUILT_IN_HANDLER.load, 'hook onLoad', null, { deadlineMs: this.limits.loadMs });
  }

  hook(name: string, args: readonly unknown[], deadlineMs: number): Promise<unknown> {
    return this.call(BUILT_IN_HANDLER.hook, `hook ${name}`, { name, args }, { deadlineMs });
  }

  configure(config: unknown): Promise<unknown> {
    return this.call(BUILT_IN_HANDLER.config, 'hook onConfigChange', config, { deadlineMs: this.limits.wallMsPerCall });
  }

  /**
   * Writes what the guest threw to the plugin's log, with its own files and lines; answers what others may see. The
   * plugin's secrets are masked here: from here it goes to dead letters, jobs, states, audit, and other plugins.
   */
  failure({ guest: { name, message, stack, code } }: GuestFailure): CodedError {
    const { log, mask, stacks } = this.parts;
    const errorId = crypto.randomUUID();
    const text = mask(`${name}: ${message}`);
    const mapped = mask(stacks.map(stack));
    log('error', text, { errorId, stack: mapped, ...(code === null ? {} : { code }) });
    return new CodedError('plugin_error', text, { errorId, stack: mapped });
  }
}
