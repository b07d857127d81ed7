import { type Random, isKvsError, pick } from "@kvs/env";
import {
  NO_FAULTS,
  type Nemesis,
  Simulation,
  type TraceLine,
  drawFaultPlan,
  startNemesis,
} from "@kvs/sim";
import { type ClientPlan, runClient } from "../ledger/client.ts";
import { harmOf } from "../ledger/disk-harm.ts";
import { HONEST_LINK, callsOf, drawEmphasis } from "../ledger/emphasis.ts";
import { FAULT_KINDS } from "../ledger/fault-kinds.ts";
import { LedgerHistory } from "../ledger/ledger-history.ts";
import { LedgerWitness } from "../ledger/ledger-witness.ts";
import { runNode } from "../ledger/node.ts";
import { RareFaults } from "../ledger/rare-faults.ts";
import { type Scenario, type SeedOptions, type SeedResult } from "../scenario.ts";

const NODES = ["n1", "n2", "n3"] as const;
const CLIENTS = ["c1", "c2", "c3"] as const;
/** Reads registers, again and again: it sees what others wrote before they know it themselves. */
const READER = "r1";

/** Everybody says hello in peace. */
const WARM_UP_MS = 3000;
/** Anything may break. */
const SAFETY_MS = 30_000;
/** After the faults every client must be done, and every ledger copied, within this time. */
const LIVENESS_MS = 60_000;
/** From the last start of the nodes to the last look at them. */
const AUDIT_MS = 5000;

/** Requests of one client. */
const REQUESTS = 80;
/** Those of them that are made after the last fault, if as many are left. */
const REQUESTS_AFTER_FAULTS = 10;
/** A process that ended by itself is started again after this long. */
const SUPERVISOR_MS = 500;

/**
 * The environment itself under test: nodes that keep checksummed ledgers on their disks, serve
 * clients, and copy their ledgers to each other, all through the ports alone.
 */
export const envScenario: Scenario = {
  name: "env",
  description: "three nodes keep, serve and exchange checksummed ledgers, under every fault",
  mutants: [
    "env.skip-datasync",
    "env.skip-directory-sync",
    "env.ignore-checksum",
    "env.ignore-frame-checksum",
    "env.skip-dedupe",
    "env.trust-page-cache",
    "env.read-unsynced",
    "env.trust-wall-clock",
  ],
  faultKinds: FAULT_KINDS,
  run: (seed, options) => new LedgerRun(seed, options).run(),
};

class LedgerRun {
  readonly #options: SeedOptions;
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #witness: LedgerWitness;
  readonly #history: LedgerHistory;
  readonly #victim: string | undefined;
  readonly #rareFaults: RareFaults;
  readonly #trace: string[] = [];
  readonly #workloads = new Map<string, { requestsLeft: number }>();
  readonly #doneClients = new Set<string>();
  #operations = 0;

  constructor(seed: number, options: SeedOptions) {
    this.#options = options;
    this.#simulation = new Simulation({
      seed,
      mutants: options.mutant === undefined ? [] : [options.mutant],
      knobs: { giveUpMs: 3000, traceLevel: "debug" },
      onHostFailure: (host, error) => {
        if (!isKvsError(error)) return "fail";
        this.#simulation.after(SUPERVISOR_MS, () => {
          if (!host.isAlive) host.restart();
        });
        return "kill";
      },
      ...(options.wantsTrace === true ? { onTrace: (line) => this.#noteTrace(line) } : {}),
    });
    this.#random = this.#simulation.random.split("scenario");
    this.#witness = new LedgerWitness(NODES, (node) => this.#harmOf(node));
    this.#history = new LedgerHistory(
      () => this.#simulation.nowMicros,
      (node) => this.#harmOf(node) !== "none",
    );
    this.#victim = this.#random.chance(0.4) ? pick(this.#random, NODES) : undefined;
    this.#rareFaults = new RareFaults({ nodes: NODES, victim: this.#victim });
    this.#addHosts();
  }

  async run(): Promise<SeedResult> {
    const simulation = this.#simulation;
    await simulation.run({ untilMs: WARM_UP_MS });
    const nemesis = this.#startFaults();
    if (this.#random.chance(0.75)) this.#rareFaults.start(simulation);
    await simulation.run({ untilMs: WARM_UP_MS + SAFETY_MS });
    this.#rareFaults.stop();
    nemesis.heal();
    simulation.network.configure(HONEST_LINK);
    for (const workload of this.#workloads.values()) {
      workload.requestsLeft = Math.min(workload.requestsLeft, REQUESTS_AFTER_FAULTS);
    }
    const endMs = WARM_UP_MS + SAFETY_MS + LIVENESS_MS;
    await simulation.run({ untilMs: endMs });
    this.#checkLiveness();
    for (const node of NODES) simulation.host(node).restart(); // cold, from the disks alone
    await simulation.run({ untilMs: endMs + AUDIT_MS });
    this.#witness.checkConvergence();
    return this.#result();
  }

  #addHosts(): void {
    for (const node of NODES) {
      const peers = NODES.filter((peer) => peer !== node);
      this.#simulation.addHost(node, {
        main: (environment) => runNode(environment, node, peers, this.#witness),
        onDiskCall: (call) => this.#rareFaults.onDiskCall(node, call),
      });
    }
    const registerShare = pick(this.#random, [0.2, 0.5, 0.8]);
    const thinkMs = pick(this.#random, [50, 150, 400]);
    for (const client of CLIENTS) {
      this.#addClient(client, { thinkMs, registerShare, readShare: 0.3 });
    }
    this.#addClient(READER, { thinkMs: 100, registerShare: 1, readShare: 1 });
  }

  #addClient(
    client: string,
    habits: Pick<ClientPlan, "thinkMs" | "registerShare" | "readShare">,
  ): void {
    const workload = { requestsLeft: REQUESTS };
    this.#workloads.set(client, workload);
    let lives = 0;
    const onRequest = (): void => void this.#operations++;
    this.#simulation.addHost(client, {
      main: async (environment) => {
        // A client that died knows nothing of what it asked: it comes back as somebody else.
        const name = `${client}.${++lives}`;
        const plan = { ...habits, client: name, nodes: NODES, workload, onRequest };
        await runClient(environment, plan, this.#witness, this.#history);
        this.#doneClients.add(client);
      },
    });
  }

  #startFaults(): Nemesis {
    const random = this.#random.split("plan");
    const canBreakConnections = random.chance(0.5);
    const plan = drawFaultPlan(random, {
      canBreakConnections,
      canFailDisks: random.chance(0.6),
      canDamageDisks: this.#victim !== undefined,
    });
    const damageable = this.#victim === undefined ? [] : [this.#victim];
    const nemesis = startNemesis(this.#simulation, plan, { damageable });
    if (plan === NO_FAULTS) return nemesis; // some seeds show that all is well without any
    const emphasis = drawEmphasis(random.split("emphasis"));
    if (canBreakConnections) this.#simulation.network.configure(emphasis.breach);
    for (const node of NODES) {
      const host = this.#simulation.host(node);
      host.configureDisk(callsOf(host.diskPlan, emphasis, node === this.#victim));
    }
    return nemesis;
  }

  #checkLiveness(): void {
    if (NODES.some((node) => this.#harmOf(node) !== "none")) return;
    for (const client of this.#workloads.keys()) {
      if (!this.#doneClients.has(client)) {
        this.#witness.broke(`${client} is not done ${LIVENESS_MS / 1000} s after the last fault`);
      }
    }
  }

  #harmOf(node: string): ReturnType<typeof harmOf> {
    return harmOf(this.#simulation.host(node).storage);
  }

  #result(): SeedResult {
    const { hash, simulatedSeconds, faults, probes, buggifySites } = this.#simulation.result();
    const sites = Object.entries(buggifySites).map(
      ([name, { firedCount }]) => [name, firedCount] as const,
    );
    return {
      violations: [...this.#witness.violations, ...this.#history.violations()],
      simulatedSeconds,
      operations: this.#operations,
      faults: new Map(Object.entries(faults)),
      probes: new Map(Object.entries(probes)),
      buggifySites: new Map(sites),
      hash,
      ...(this.#options.wantsHistory === true ? { history: this.#history.lines() } : {}),
      ...(this.#options.wantsTrace === true ? { trace: this.#trace } : {}),
    };
  }

  #noteTrace(line: TraceLine): void {
    this.#trace.push(JSON.stringify(line));
  }
}
