/**
 * One seed: a cluster of real drivers through five phases.
 *
 *   warm-up   everybody meets in peace
 *   safety    anything may be down or broken; nothing wrong may happen
 *   liveness  a quorum is healed, the rest stays dead or cut off: the quorum elects a leader in time
 *   quiesce   all are healed: the leader stays, everybody comes to the same state
 *   audit     power fails everywhere; from the disks alone the same again
 */
import { pick, type Random, shuffle } from "@kvs/env";
import { type RaftEvent } from "@kvs/raft";
import { type Nemesis, NO_FAULTS, QUIET_LINK, Simulation, startNemesis } from "@kvs/sim";
import { type SeedOptions, type SeedResult } from "../../scenario.ts";
import { DurabilityOracle } from "./durability-oracle.ts";
import { DiskTrouble } from "./disk-trouble.ts";
import { type LedBy, RaftAudit } from "./raft-audit.ts";
import { RaftFleet } from "./raft-fleet.ts";
import { RaftHistory } from "./raft-history.ts";
import { RaftJudge } from "./raft-judge.ts";
import { drawKnobs, type RaftOverrides } from "./raft-knobs.ts";

const WARM_UP_TICKS = 60;
/** Nothing disturbs the leader for so long that every follower's patience would have ended. */
const QUIESCE_TICKS = 100;

export class RaftRun {
  readonly fleet: RaftFleet;
  readonly simulation: Simulation;
  readonly judge: RaftJudge;
  readonly audit: RaftAudit;
  readonly #options: SeedOptions;
  readonly #history: RaftHistory;
  readonly #oracle: DurabilityOracle;
  readonly #trouble: DiskTrouble;
  readonly #random: Random;
  readonly #trace: string[] = [];

  constructor(seed: number, options: SeedOptions, overrides: RaftOverrides = {}) {
    this.#options = options;
    const mutants = options.mutant === undefined ? [] : [options.mutant];
    this.simulation = new Simulation({
      seed,
      mutants,
      knobs: { giveUpMs: 3000, traceLevel: "error" },
      onHostFailure: (host, error) => this.fleet.onFailure(host, error),
    });
    const { simulation } = this;
    this.#random = simulation.random.split("raft");
    const knobs = { ...drawKnobs(this.#random.split("knobs")), ...overrides };
    this.judge = new RaftJudge((state) => simulation.hooks.probe(state));
    this.#history = new RaftHistory(() => simulation.nowMicros);
    const observer =
      options.wantsTrace === true
        ? { event: (event: RaftEvent) => void this.#trace.push(JSON.stringify(event)) }
        : undefined;
    const { judge } = this;
    this.fleet = new RaftFleet({ knobs, simulation, judge, history: this.#history, observer });
    this.#oracle = new DurabilityOracle(this.fleet, mutants);
    this.fleet.onAcknowledged = (node, index, payload) => {
      this.#oracle.onAcknowledged(node, index, payload);
    };
    this.#trouble = new DiskTrouble(this.fleet, this.#random.split("disks"));
    this.audit = new RaftAudit(this.fleet);
    this.fleet.addHosts();
  }

  async run(): Promise<SeedResult> {
    const phases = [
      () => this.warmUp(),
      () => this.#safety(),
      () => this.#liveness(),
      () => this.#quiesce(),
      () => this.#coldRestart(),
    ];
    for (const phase of phases) {
      if (this.judge.violations.length > 0) break;
      await phase();
    }
    await this.#oracle.check();
    return this.#result();
  }

  async warmUp(): Promise<void> {
    await this.audit.forTicks(WARM_UP_TICKS);
  }

  async #safety(): Promise<void> {
    const { plan, safetyMs } = this.fleet.knobs;
    const nemesis = startNemesis(this.simulation, plan);
    if (plan !== NO_FAULTS) this.#trouble.start();
    await this.audit.forMs(safetyMs);
    nemesis.stop();
    this.#trouble.stop();
    this.#healCore(nemesis);
  }

  /** A quorum is well, and the rest of the hosts dead or cut off. */
  #healCore(nemesis: Nemesis): void {
    const { fleet, simulation } = this;
    const random = this.#random.split("core");
    const rest: number[] = [];
    const wanted = random.chance(0.5) ? random.below(fleet.knobs.hostCount) : 0;
    for (const number of shuffle(random, fleet.numbers).slice(0, wanted)) {
      const ids = [...rest, number].map((each) => fleet.idOf(each));
      if (fleet.canLose(ids)) rest.push(number);
    }
    const core = fleet.numbers.filter((number) => !rest.includes(number));
    fleet.isChanging = false;
    for (const number of rest) fleet.down.add(number);
    simulation.network.configure(QUIET_LINK);
    nemesis.heal(fleet.names(core));
    if (pick(random, ["dead", "cut off"]) === "dead") {
      for (const number of rest) fleet.host(number).crash();
    } else simulation.network.partition([fleet.names(core), fleet.names(rest)]);
  }

  async #liveness(): Promise<void> {
    await this.audit.requireLeader("a healed quorum elects a leader in time");
    await this.audit.requireCommit();
  }

  async #quiesce(): Promise<void> {
    const { fleet, simulation, judge } = this;
    fleet.isBusy = false;
    await this.audit.requireLeader("a healed quorum keeps a leader");
    const before = this.audit.leader();
    fleet.down.clear();
    simulation.heal();
    await this.audit.forTicks(QUIESCE_TICKS);
    this.#requireSameLeader(before);
    if (judge.isLate) return;
    await this.audit.requireAgreement();
  }

  /** A healed node never deposes a healthy leader. */
  #requireSameLeader(before: LedBy | undefined): void {
    const { fleet, judge } = this;
    if (!fleet.knobs.isCalm || before === undefined) return;
    const after = this.audit.leader();
    if (after?.id === before.id && after.term === before.term) return;
    judge.late("a healed node deposes no leader");
  }

  async #coldRestart(): Promise<void> {
    const { fleet, judge } = this;
    for (const number of fleet.numbers) fleet.host(number).crash();
    await this.audit.forTicks(10);
    for (const number of fleet.numbers) fleet.host(number).restart();
    await this.audit.requireLeader("a group elects a leader after a power cut of all");
    if (judge.isLate) return;
    await this.audit.requireAgreement();
    if (!judge.isLate) await this.audit.readAll();
  }

  #result(): SeedResult {
    const result = this.simulation.result();
    const sites = Object.entries(result.buggifySites).map(
      ([name, { firedCount }]) => [name, firedCount] as const,
    );
    const violations = [...this.judge.violations];
    if (violations.length === 0) violations.push(...this.#history.violations());
    return {
      violations,
      simulatedSeconds: result.simulatedSeconds,
      operations: this.#history.operations,
      faults: new Map(Object.entries(result.faults)),
      probes: new Map(Object.entries(result.probes)),
      buggifySites: new Map(sites),
      hash: result.hash,
      ...(this.#options.wantsHistory === true ? { history: this.#history.lines() } : {}),
      ...(this.#options.wantsTrace === true ? { trace: this.#trace } : {}),
    };
  }
}
