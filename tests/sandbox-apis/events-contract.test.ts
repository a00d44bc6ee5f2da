import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import { eventsContract, IMPLIED_EVENTS } from '../../sandbox-apis/events/contract.ts';
import { EVENT_HOOKS } from '../../sandbox-apis/events/hooks.ts';

const SUBSCRIBE = 'events:subscribe:';
const { on, emit } = eventsContract.calls;
const needs = (pattern: string, plugin = 'billing') => on.needs?.({ pattern, once: false, handler: 1 }, plugin) ?? null;
const allows = (granted: string, needed: string) => eventsContract.allows?.(granted, needed);

describe('what a subscription needs', () => {
  test.each([
    ['user.created', `${SUBSCRIBE}user.created`],
    ['user.*', `${SUBSCRIBE}user.*`],
    ['*', `${SUBSCRIBE}*`],
    ['quota.exceeded', `${SUBSCRIBE}quota.exceeded`],
    ['plugin.installed', `${SUBSCRIBE}plugin.installed`],
    ['plugin.*', `${SUBSCRIBE}plugin.*`],
    ['custom.deploy', `${SUBSCRIBE}custom.deploy`],
    // The own namespace, and what only looks like it.
    ['plugin.billing.paid', null],
    ['plugin.billing.invoice.paid', null],
    ['plugin.billing.*', null],
    ['plugin.billing', `${SUBSCRIBE}plugin.billing`],
    ['plugin.billing-pro.paid', `${SUBSCRIBE}plugin.billing-pro.paid`],
    ['plugin.billin.paid', `${SUBSCRIBE}plugin.billin.paid`],
    ['plugin.other.billing.paid', `${SUBSCRIBE}plugin.other.billing.paid`],
    ['billing.paid', `${SUBSCRIBE}billing.paid`],
  ])('%s: %p', (pattern, needed) => {
    expect(needs(pattern)).toBe(needed);
  });

  test('emitting needs nothing', () => {
    expect(emit.needs).toBeUndefined();
  });
});

/** What each grant allows of PATTERNS; everything that is not listed is refused. */
const PATTERNS = [
  '*',
  'session.*',
  'session.created',
  'session.created.deep',
  'session',
  'sessionx.a',
  'sessions.created',
  'user.*',
  'user.login',
  'user.login.*',
  'userx.login',
  'template.*',
  'template.updated',
  'file.*',
  'file.uploaded',
  'files.uploaded',
  'quota.exceeded',
  'plugin.*',
  'plugin.installed',
  'plugin.other.*',
  'plugin.other.x',
  'plugin.otherx.x',
  'custom.*',
  'custom.deploy',
];
const TABLE: [granted: string, patterns: string[]][] = [
  [`${SUBSCRIBE}*`, PATTERNS],
  [`${SUBSCRIBE}session.*`, ['session.*', 'session.created', 'session.created.deep']],
  [`${SUBSCRIBE}session.created`, ['session.created']],
  [`${SUBSCRIBE}session`, ['session']],
  [`${SUBSCRIBE}user.login`, ['user.login']],
  [`${SUBSCRIBE}user.*`, ['user.*', 'user.login', 'user.login.*']],
  [`${SUBSCRIBE}user.login.*`, ['user.login.*']],
  [`${SUBSCRIBE}plugin.*`, ['plugin.*', 'plugin.installed', 'plugin.other.*', 'plugin.other.x', 'plugin.otherx.x']],
  [`${SUBSCRIBE}plugin.other.*`, ['plugin.other.*', 'plugin.other.x']],
  [`${SUBSCRIBE}custom.*`, ['custom.*', 'custom.deploy']],
  ['sessions:read', ['session.*', 'session.created', 'session.created.deep']],
  ['users:read', ['user.*', 'user.login', 'user.login.*']],
  ['templates:read', ['template.*', 'template.updated']],
  ['files', ['file.*', 'file.uploaded']],
  // Neither writing nor anything unrelated or malformed says anything about events.
  ['sessions:write', []],
  ['users:write', []],
  ['session:read', []],
  ['network', []],
  ['database', []],
  ['events:subscribe', []],
  [SUBSCRIBE, []],
  [`${SUBSCRIBE}.*`, []],
  [`${SUBSCRIBE}user*`, []],
  ['events:*', []],
  ['*', []],
  ['', []],
  ['constructor', []],
  ['__proto__', []],
  ['toString', []],
];

describe('what a grant allows', () => {
  test.each(TABLE)('%s', (granted, allowed) => {
    expect(PATTERNS.filter((pattern) => allows(granted, `${SUBSCRIBE}${pattern}`))).toEqual(allowed);
  });

  test('nothing outside the room', () => {
    expect(allows(`${SUBSCRIBE}*`, 'users:read')).toBe(false);
    expect(allows('users:read', 'users:read')).toBe(true);
  });

  test('the read permissions imply the events of the hooks, except those of quotas', () => {
    const implied = (event: string) =>
      Object.keys(IMPLIED_EVENTS).filter((granted) => allows(granted, `${SUBSCRIBE}${event}`));
    const alone = Object.values(EVENT_HOOKS).filter((event) => implied(event).length !== 1);
    expect(alone).toEqual(['quota.exceeded']);
  });
});

describe('the permission in a manifest', () => {
  const [kind] = eventsContract.permissions;
  const pattern = new RegExp(`^(?:${kind?.pattern})$`);

  test.each([
    [`${SUBSCRIBE}*`, true],
    [`${SUBSCRIBE}session.*`, true],
    [`${SUBSCRIBE}custom.deploy.done`, true],
    [SUBSCRIBE, false],
    [`${SUBSCRIBE}session*`, false],
    [`${SUBSCRIBE}*.created`, false],
    [`${SUBSCRIBE}a b`, false],
    ['events:subscribe', false],
  ])('%j is valid: %p', (permission, valid) => {
    expect(pattern.test(permission)).toBe(valid);
  });

  test('its example is valid and its sentence names the pattern', () => {
    expect(pattern.test(kind?.example ?? '')).toBe(true);
    expect(kind?.describe(`${SUBSCRIBE}user.*`)).toContain('user.*');
    expect(kind?.describe(`${SUBSCRIBE}*`)).toContain('every event');
  });
});

describe('inputs', () => {
  test.each([
    [{ pattern: 'user.*', once: false, handler: 1 }, true],
    [{ pattern: 'user*', once: false, handler: 1 }, false],
    [{ pattern: '', once: false, handler: 1 }, false],
    [{ pattern: 'a'.repeat(201), once: false, handler: 1 }, false],
    [{ pattern: 'user.*', once: false, handler: 0 }, false],
    [{ pattern: 'user.*', once: false, handler: 60_001 }, false],
    [{ pattern: 'user.*', once: 'yes', handler: 1 }, false],
    [{ pattern: 'user.*', once: false, handler: 1, plugin: 'other' }, false],
  ])('on %j: %p', (input, valid) => {
    expect(Value.Check(on.input, input)).toBe(valid);
  });

  test.each([
    [{ name: 'report.ready', data: { rows: 1 } }, true],
    [{ name: 'report.ready', data: null }, true],
    [{ name: '../x', data: null }, false],
    [{ name: 'report.*', data: null }, false],
    [{ name: 'report', data: null, source: 'core' }, false],
  ])('emit %j: %p', (input, valid) => {
    expect(Value.Check(emit.input, input)).toBe(valid);
  });
});
