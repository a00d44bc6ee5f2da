import { createGate, type Gate } from '../../src/permissions/gate.ts';

/** A gate that decides by permissions alone: no switch is off, nothing is counted. */
export function plainGate(): Gate {
  return createGate({
    switches: { isOff: () => false },
    uses: { used: () => undefined, refused: () => undefined },
  });
}
