import { Type } from '@sinclair/typebox';
import {
  type CallContract,
  type Caller,
  defineCall,
  defineRoom,
  type Handlers,
} from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { PluginState } from '../../src/plugins/state.ts';

// What the types of contracts, handlers and states refuse: `tsc` fails where an expected error is missing.

const echo = defineCall({
  summary: 'Answers what it is given.',
  input: Type.Object({ text: Type.String({ maxLength: 10 }) }, { additionalProperties: false }),
  output: Type.Object({ length: Type.Number() }, { additionalProperties: false }),
  errors: ['conflict'],
  deadlineMs: 1_000,
  needs: ({ text }, plugin) => (text === plugin ? null : `test:${text}`),
});

const room = defineRoom({
  name: 'test',
  summary: 'For the types.',
  permissions: [],
  calls: { echo, ping: defineCall({ ...echo, input: Type.Object({}) }) },
});

defineCall({
  summary: 'x',
  input: Type.Object({}),
  output: Type.Object({}),
  // @ts-expect-error a code that is not in the registry
  errors: ['no_such_code'],
  deadlineMs: 1,
});
// @ts-expect-error a call has a deadline
defineCall({ summary: 'x', input: Type.Object({}), output: Type.Object({}), errors: [] });
defineCall({
  summary: 'x',
  input: Type.Object({ a: Type.String() }),
  output: Type.Object({}),
  errors: [],
  deadlineMs: 1,
  // @ts-expect-error the input has no such field
  needs: ({ b }) => `test:${b}`,
});

const ping = () => ({ length: 0 });
export const good: Handlers<typeof room> = { ping, echo: async (_caller, { text }) => ({ length: text.length }) };
// @ts-expect-error a handler is missing
export const missing: Handlers<typeof room> = { ping };
// @ts-expect-error a handler that is in no contract
export const more: Handlers<typeof room> = { ...good, other: ping };
// @ts-expect-error the answer does not fit its schema
export const misfit: Handlers<typeof room> = { ping, echo: () => ({ length: 'long' }) };
export const misread: Handlers<typeof room> = {
  ping,
  // @ts-expect-error the input has no such field
  echo: (_caller, { txt }) => ({ length: txt.length }),
};

export function handler(caller: Caller): string {
  // @ts-expect-error who calls is the core's record, not to be changed
  caller.plugin = 'other';
  // @ts-expect-error nor what was granted
  caller.grants.push('users:write');
  return caller.plugin;
}

// @ts-expect-error an error has a code of the registry
export const unknownCode = new CodedError('no_such_code');

/** What a state does not have cannot be read. */
export function stateOf(state: PluginState): string {
  // @ts-expect-error not every state has an instance
  void state.instance;
  switch (state.kind) {
    case 'active':
      return state.instance.name;
    case 'failed':
      return state.failure.message;
    case 'quarantined':
      return state.reason;
    case 'installed':
    case 'hibernated':
    case 'loading':
      // @ts-expect-error nothing failed
      return state.failure;
  }
}

// @ts-expect-error there is no such state
export const paused: PluginState = { kind: 'paused' };
// @ts-expect-error a quarantine has a reason
export const silent: PluginState = { kind: 'quarantined' };
export const general: CallContract = echo;
