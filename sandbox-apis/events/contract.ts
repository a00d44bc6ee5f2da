import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../_kit/contract.ts';
import { covers, EVENT_LIMITS, NAME_SOURCE, PATH_SOURCE, PATTERN_SOURCE } from './patterns.ts';

const SUBSCRIBE = 'events:subscribe:';

/** Reading a resource includes hearing of its changes: permission -> first segment of the events it covers. */
export const IMPLIED_EVENTS: Readonly<Record<string, string>> = {
  'sessions:read': 'session',
  'users:read': 'user',
  'templates:read': 'template',
  files: 'file',
};

const Registration = Type.Object({ id: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });

export const eventsContract = defineRoom({
  name: 'events',
  summary: 'Subscribe to events of the platform and of plugins; emit your own.',
  permissions: [
    {
      pattern: `${SUBSCRIBE}${PATTERN_SOURCE}`,
      example: 'events:subscribe:session.*',
      describe: (permission) => {
        const pattern = permission.slice(SUBSCRIBE.length);
        return pattern === '*'
          ? 'Hear of every event, with its data'
          : `Hear of the events ${pattern}, with their data`;
      },
    },
  ],
  /** A granted pattern allows what it covers; the read permission of a resource allows the resource's events. */
  allows: (granted, needed) => {
    if (!needed.startsWith(SUBSCRIBE)) return granted === needed;
    const pattern = needed.slice(SUBSCRIBE.length);
    if (granted.startsWith(SUBSCRIBE)) return covers(granted.slice(SUBSCRIBE.length), pattern);
    const resource = Object.hasOwn(IMPLIED_EVENTS, granted) ? IMPLIED_EVENTS[granted] : undefined;
    return resource !== undefined && covers(`${resource}.*`, pattern);
  },
  calls: {
    on: defineCall({
      summary: 'Subscribe a handler to an event name or pattern.',
      input: Type.Object(
        {
          pattern: Type.String({ pattern: `^${PATTERN_SOURCE}$`, maxLength: EVENT_LIMITS.nameLength }),
          once: Type.Boolean(),
          handler: Type.Integer({ minimum: 1, maximum: 60_000 }),
          orderBy: Type.Optional(Type.String({ pattern: `^${PATH_SOURCE}$`, maxLength: EVENT_LIMITS.nameLength })),
          concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: EVENT_LIMITS.concurrency })),
        },
        { additionalProperties: false },
      ),
      output: Registration,
      errors: ['registration_conflict'],
      deadlineMs: 5_000,
      registers: true,
      /** A plugin's own namespace is free; everything else needs the subscription's own permission. */
      needs: ({ pattern }, plugin) => (covers(`plugin.${plugin}.*`, pattern) ? null : `${SUBSCRIBE}${pattern}`),
    }),
    off: defineCall({
      summary: 'Remove a subscription.',
      input: Registration,
      output: Type.Object({}, { additionalProperties: false }),
      errors: [],
      deadlineMs: 5_000,
      registers: true,
      oneway: true,
    }),
    emit: defineCall({
      summary: "Publish an event in the plugin's own namespace, `plugin.<plugin>.<name>`.",
      input: Type.Object(
        {
          name: Type.String({ pattern: `^${NAME_SOURCE}$`, maxLength: EVENT_LIMITS.nameLength }),
          data: Type.Unknown({ description: 'Any JSON value, up to 256 KiB and 32 levels' }),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ id: Type.String({ maxLength: 64 }) }, { additionalProperties: false }),
      errors: ['payload_too_large'],
      deadlineMs: 10_000,
    }),
  },
});
