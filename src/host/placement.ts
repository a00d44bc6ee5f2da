import { availableParallelism } from 'node:os';
import { HOST_LIMITS } from './limits.ts';

/** How far a plugin is trusted: those of one kind share processes, and so their fate. */
export const TRUSTS = ['builtin', 'verified', 'unverified'] as const;
export type Trust = (typeof TRUSTS)[number];

/** Where an isolate is to live: with others that are trusted as much, or in a process of its own. */
export type Placement =
  | { readonly kind: 'shared'; readonly trust: Trust }
  | { readonly kind: 'own'; readonly plugin: string }
  /** A process for this one isolate, which goes with it: one that is inspected keeps a thread while it is paused. */
  | { readonly kind: 'inspected'; readonly plugin: string; readonly isolate: number };

/** What the host processes of a placement are called. */
export function slotNames(placement: Placement): readonly string[] {
  if (placement.kind === 'own') return [`own:${placement.plugin}`];
  if (placement.kind === 'inspected') return [`inspected:${placement.plugin}:${placement.isolate}`];
  if (placement.trust !== 'unverified') return [placement.trust];
  const wanted = Math.floor(availableParallelism() * HOST_LIMITS.strangersPerCore);
  const count = Math.max(1, Math.min(wanted, HOST_LIMITS.strangersAtMost));
  return Array.from({ length: count }, (_, at) => `unverified-${at + 1}`);
}
