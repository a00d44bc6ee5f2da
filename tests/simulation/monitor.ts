import type { Database } from './database.ts';
import { DeliveryMonitor } from './delivery-monitor.ts';
import { JobMonitor } from './job-monitor.ts';
import type { World } from './world.ts';

/** What a monitor knows of the process that runs something. */
export interface Runner {
  readonly name: string;
  readonly owner: string;
  /** How often something went wrong with it so far: it froze, died, a statement failed. */
  readonly troubles: number;
  /** It waits for the database for very long. */
  readonly isStuck: boolean;
  /** Somebody set the clock of its machine: it may be wrong about how long something took. */
  readonly clockWasSet: boolean;
}

/** A handler at work. */
export interface Running {
  end(ok: boolean): void;
}

export interface Counts {
  deliveries: number;
  handlers: number;
  dead: number;
  /** Handlers that ran again, since a fault fell between their success and its record. */
  repeats: number;
  /** Handlers that ran beside one whose lease had ended. */
  besideLost: number;
  /** Handlers that began behind the record of another's success, and were claimed before it. */
  late: number;
  jobRuns: number;
}

/** Where what may not happen is noted. */
export class Findings {
  readonly violations: string[] = [];
  readonly counts: Counts = { deliveries: 0, handlers: 0, dead: 0, repeats: 0, besideLost: 0, late: 0, jobRuns: 0 };
  readonly calm: boolean;
  readonly world: World;

  constructor(world: World, calm: boolean) {
    this.world = world;
    this.calm = calm;
  }

  violate(what: string): void {
    this.world.note('!', () => what);
    this.violations.push(`${what} (at ${this.world.now.toFixed(1)} ms)`);
  }

  /** Something begins that may run only as long as it has its lease. */
  leased(what: string, runner: Runner, leaseEndsIn: number): void {
    // A replica's clock may run behind by a hundredth.
    if (leaseEndsIn < -50 && !runner.clockWasSet) {
      this.violate(`${what} began on ${runner.name} ${Math.round(-leaseEndsIn)} ms after its lease had ended`);
    }
  }

  /** Something runs that another one keeps from running as long as it has its lease. */
  beside(one: string, runner: Runner, other: string, leaseEndsIn: number): void {
    if (this.calm || (leaseEndsIn > 0 && !runner.clockWasSet))
      this.violate(`${one} ran beside ${other}, whose lease goes on`);
    else this.counts.besideLost++;
  }
}

/** Watches the tables and the handlers. */
export class Monitor {
  readonly findings: Findings;
  readonly deliveries: DeliveryMonitor;
  readonly jobs: JobMonitor;

  constructor(world: World, calm: boolean) {
    this.findings = new Findings(world, calm);
    this.deliveries = new DeliveryMonitor(this.findings);
    this.jobs = new JobMonitor(this.findings);
  }

  /** The tables that it watches, once they are there. */
  observe(database: Database): void {
    this.deliveries.observe(database);
    this.jobs.observe(database);
  }
}
