import type { HostCall } from '../broker/call-trail.ts';
import type { UnderWay } from '../host/guest.ts';

/**
 * What ended an isolate. `cpu`, `memory`, `protocol`, `catastrophic`: by itself; `deadline`: a call was not answered in
 * time; `host`: its whole process was killed, or died.
 */
export const CAUSES = ['cpu', 'memory', 'protocol', 'catastrophic', 'deadline', 'host'] as const;
export type Cause = (typeof CAUSES)[number];

/** Whether the plugin alone can have been the reason, or is one of several. Who had no part in it has no post-mortem. */
export const VERDICTS = ['culprit', 'suspect'] as const;

/**
 * What became of the plugin: `reloaded` into another isolate, `quarantined`, or `replaced` by another isolate while this one
 * ends; `dropped` when the one that was lost did not serve: it was being loaded, or ended its work beside a newer one.
 */
export const OUTCOMES = ['reloaded', 'quarantined', 'replaced', 'dropped'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The process that an isolate lived in, as last heard of. */
export interface LostHost {
  readonly pid: number;
  /** Which of the host processes it was. */
  readonly placement: string | null;
  readonly rssBytes: number;
}

/** What is known when a plugin loses an isolate. */
export interface PostMortemFacts {
  readonly plugin: string;
  readonly version: string;
  readonly cause: Cause;
  readonly verdict: (typeof VERDICTS)[number];
  readonly outcome: Outcome;
  /** For people: what ended it. */
  readonly detail: string;
  readonly host: LostHost | null;
  /** What was asked of it and not answered yet. */
  readonly underWay: readonly UnderWay[];
  /** The oldest first. */
  readonly lastCalls: readonly HostCall[];
  /** As of the last heartbeat that it had part in. */
  readonly heap: { readonly usedBytes: number; readonly limitBytes: number; readonly cpuMs: number };
  /** In the plugin's own files and lines; null where V8 had none to give. */
  readonly stack: string | null;
}

/** The line of a list. */
export interface PostMortemSummary
  extends Pick<PostMortemFacts, 'plugin' | 'version' | 'cause' | 'verdict' | 'outcome' | 'detail'> {
  readonly id: number;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** The record of one kill. */
export interface PostMortem extends PostMortemFacts, PostMortemSummary {}
