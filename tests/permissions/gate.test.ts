import { describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { defineCall, defineRoom } from '../../sandbox-apis/_kit/contract.ts';
import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import { fetchContract } from '../../sandbox-apis/fetch/contract.ts';
import { CONTRACTS } from '../../src/broker/rooms.ts';
import { createGate } from '../../src/permissions/gate.ts';

const call = {
  summary: 'A call of the tests.',
  input: Type.Object({}),
  output: Type.Object({}),
  errors: [],
  deadlineMs: 1_000,
};
const room = defineRoom({
  name: 'test',
  summary: 'A room of the tests.',
  permissions: [],
  calls: {
    free: defineCall(call),
    guarded: defineCall({ ...call, needs: () => 'test:guarded' }),
    register: defineCall({ ...call, registers: true }),
  },
});

/** A gate, with what it counted, and the capabilities that are off. */
function rig(...off: string[]) {
  const counted: string[] = [];
  const gate = createGate({
    switches: { isOff: (plugin, capability) => off.includes(`${plugin}/${capability}`) },
    uses: {
      used: (plugin, capability, grant) => counted.push(`${plugin} used ${capability} by ${grant}`),
      refused: (plugin, capability, permission) => counted.push(`${plugin} refused ${capability} for ${permission}`),
    },
  });
  const refusal = (act: () => void): CodedError => {
    try {
      act();
    } catch (error) {
      if (error instanceof CodedError) return error;
    }
    throw new Error('it was let through');
  };
  return { gate, counted, refusal };
}

const plain = { plugin: 'first', grants: [] };

describe('permissions', () => {
  test('what is granted passes and is counted by its grant; what is not is refused by name, and counted', () => {
    const { gate, counted, refusal } = rig();
    gate.check(room, room.calls.free, plain, {});
    gate.check(room, room.calls.guarded, { plugin: 'first', grants: ['test:guarded'] }, {});
    const refused = refusal(() => gate.check(room, room.calls.guarded, plain, {}));
    expect(refused).toMatchObject({ code: 'permission_denied', extra: { permission: 'test:guarded' } });
    expect(counted).toEqual([
      'first used test by null',
      'first used test by test:guarded',
      'first refused test for test:guarded',
    ]);
  });

  test('of several grants that cover a call the narrowest is counted, so that the wide one shows as unused', () => {
    const { gate, counted } = rig();
    const caller = {
      plugin: 'first',
      grants: ['network', 'network:*.example.com', 'network:api.example.com', 'network:api.example.org'],
    };
    gate.permit(fetchContract, caller, 'network:api.example.com:443');
    gate.permit(fetchContract, caller, 'network:www.example.com:443');
    gate.permit(fetchContract, caller, 'network:example.net:443');
    expect(counted).toEqual([
      'first used null by network:api.example.com',
      'first used null by network:*.example.com',
      'first used null by network',
    ]);
  });
});

describe('a capability that is switched off', () => {
  test('is refused as a permission is, says so, and counts; for this plugin and room only', () => {
    const { gate, counted, refusal } = rig('first/test');
    const refused = refusal(() => gate.check(room, room.calls.free, plain, {}));
    expect(refused).toMatchObject({ code: 'permission_denied', extra: { permission: 'test', capability: 'test' } });
    expect(refused.message).toBe('An admin switched "test" off for this plugin');
    gate.check(room, room.calls.free, { plugin: 'second', grants: [] }, {});
    gate.check({ ...room, name: 'other' }, room.calls.free, plain, {});
    expect(counted).toEqual(['first refused test for null', 'second used test by null', 'first used other by null']);
  });

  test('names the permission that is granted and of no use', () => {
    const { gate, refusal } = rig('first/test', 'first/fetch');
    const caller = { plugin: 'first', grants: ['network', 'test:guarded'] };
    const refused = refusal(() => gate.check(room, room.calls.guarded, caller, {}));
    expect(refused.extra).toEqual({ permission: 'test:guarded', capability: 'test' });
    expect(refused.message).toBe(
      'Permission "test:guarded" is of no use now: an admin switched "test" off for this plugin',
    );
    expect(refusal(() => gate.permit(fetchContract, caller, 'network:example.com:443')).extra).toEqual({
      permission: 'network:example.com:443',
      capability: 'fetch',
    });
  });

  test('lets registrations pass: the plugin still loads', () => {
    const { gate } = rig('first/test');
    expect(() => gate.check(room, room.calls.register, plain, {})).not.toThrow();
  });

  test('calls that take a handler, or take one back, are registrations in every room', () => {
    for (const { name, calls } of CONTRACTS) {
      for (const [key, { input, registers }] of Object.entries(calls)) {
        const fields = Object.keys((input.properties as object | undefined) ?? {});
        const takesBack = fields.length === 1 && fields[0] === 'id';
        expect([`${name}.${key}`, registers === true]).toEqual([
          `${name}.${key}`,
          fields.includes('handler') || takesBack,
        ]);
      }
    }
  });
});
