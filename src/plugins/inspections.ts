import { Type } from '@sinclair/typebox';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Db } from '../db/client.ts';
import { decoder } from '../host/decode.ts';
import type { InspectionEvents } from '../host/inspection.ts';
import type { Log } from '../log.ts';
import { audit } from '../permissions/audit.ts';
import { debuggerView } from './debugger-view.ts';
import type { Instance } from './instance.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Plugin } from './plugin.ts';
import type { Actor } from './requests.ts';

/** What a session is for; how the audit log calls it. */
export type Purpose = 'inspector' | 'profile' | 'heap-snapshot';

export interface InspectionsDeps {
  readonly db: Db;
  readonly log: Log;
  readonly lifecycle: Pick<Lifecycle, 'inspect' | 'endInspection'>;
  /** Whether the operator allows it at all. */
  readonly enabled: boolean;
}

/** A session of V8's inspector on one plugin. */
export interface InspectorSession {
  readonly instance: Instance;
  /**
   * Hands over a message of the Chrome DevTools Protocol.
   *
   * @throws CodedError `bad_request` when it is none, `payload_too_large`
   */
  send(message: string): void;
  /** Ends it: the plugin goes on at once, and is then put back into an ordinary isolate. Does nothing the second time. */
  close(): void;
}

/** A command has a number and a method (https://chromedevtools.github.io/devtools-protocol/); the rest is V8's to judge. */
const decodeCommand = decoder(
  Type.Object({
    id: Type.Integer(),
    method: Type.String({ maxLength: 100, pattern: '^[A-Z][A-Za-z]*\\.[a-z][A-Za-z]*$' }),
  }),
);

/** Who looks into which plugin: one session a plugin, for admins, written down. */
export class Inspections {
  readonly #deps: InspectionsDeps;
  readonly #open = new Set<string>();
  /** Plugins that are being put back: the next session waits for that. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(deps: InspectionsDeps) {
    this.#deps = deps;
  }

  /** Whether somebody looks into it at the moment. */
  isOpen(plugin: string): boolean {
    return this.#open.has(plugin);
  }

  /** @throws CodedError `inspector_off` when the operator forbids it */
  demand(): void {
    if (!this.#deps.enabled) throw new CodedError('inspector_off');
  }

  /**
   * Puts the plugin into an isolate that can be inspected, in a process of its own, and begins a session there.
   *
   * @throws CodedError `inspector_off`, `inspector_busy`, `plugin_disabled`, `plugin_quarantined`, `plugin_load_failed`,
   *   `plugin_unavailable`
   */
  async open(plugin: Plugin, actor: Actor, purpose: Purpose, events: InspectionEvents): Promise<InspectorSession> {
    this.demand();
    await this.#ending.get(plugin.name);
    if (this.#open.has(plugin.name)) throw new CodedError('inspector_busy');
    this.#open.add(plugin.name);
    let instance: Instance | null = null;
    try {
      await this.#note(plugin, actor, 'plugin.inspected', { purpose });
      instance = await this.#deps.lifecycle.inspect(plugin);
      return this.#begin(plugin, instance, actor, purpose, events);
    } catch (error) {
      if (instance !== null) await this.#putBack(plugin, instance);
      this.#open.delete(plugin.name);
      throw error;
    }
  }

  #begin(plugin: Plugin, instance: Instance, actor: Actor, purpose: Purpose, events: InspectionEvents) {
    const { inspection } = instance.guest;
    if (inspection === null) throw new CodedError('plugin_unavailable', undefined, { retryAfter: 1 });
    const view = debuggerView(plugin.name, instance.parts.stacks);
    const begun = performance.now();
    inspection.begin({
      onMessage: (message) => {
        const shown = view(message);
        if (shown !== null) events.onMessage(shown);
      },
      onEnd: (reason) => {
        const seconds = (performance.now() - begun) / 1000;
        this.#ending.set(plugin.name, this.#ended(plugin, instance, actor, { purpose, reason, seconds }));
        events.onEnd(reason);
      },
    });
    return {
      instance,
      send(message: string): void {
        if (decodeCommand(message) === undefined)
          throw new CodedError('bad_request', 'It is no command of the protocol');
        inspection.send(message);
      },
      close: () => inspection.end('it was closed'),
    };
  }

  async #ended(plugin: Plugin, instance: Instance, actor: Actor, detail: object): Promise<void> {
    await this.#putBack(plugin, instance);
    this.#open.delete(plugin.name);
    this.#ending.delete(plugin.name);
    await this.#note(plugin, actor, 'plugin.inspection_ended', { ...detail }).catch((error: unknown) =>
      this.#deps.log.error({ err: error, plugin: plugin.name }, 'the end of an inspection was not written down'),
    );
  }

  async #putBack(plugin: Plugin, instance: Instance): Promise<void> {
    try {
      await this.#deps.lifecycle.endInspection(plugin, instance);
    } catch (error) {
      this.#deps.log.warn({ err: error, plugin: plugin.name }, 'a plugin stays in the isolate that was inspected');
    }
  }

  #note(plugin: Plugin, { kind, id }: Actor, action: string, detail: Record<string, unknown>): Promise<void> {
    return audit(this.#deps.db, { actorKind: kind, actor: id, action, target: plugin.name, detail });
  }
}
