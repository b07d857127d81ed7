import { createRandom } from "@kvs/env";
import { type Directive } from "@kvs/sim";

import { toConfiguration } from "../src/core/configuration.ts";
import { describeConfiguration, describeMessage, describeState } from "../src/core/describe.ts";
import { payloadAt } from "../src/core/entry.ts";
import { findViolation } from "../src/core/invariants.ts";
import { type Message } from "../src/core/message.ts";
import { type RaftSettings } from "../src/core/raft-options.ts";
import { type RaftCore } from "../src/core/raft-core.ts";
import { MemoryLogStore } from "../src/memory-log-store.ts";
import { Replica, type ReplicaEvents } from "./replica.ts";

/** More messages than a settled cluster exchanges: a loop. */
const DELIVERIES_MAX = 5000;

/**
 * A cluster that is led by hand, and prints what it does. Its commands are in script-commands.ts.
 */
export class Script {
  readonly #replicas = new Map<number, Replica>();
  readonly #pool: Message[] = [];
  readonly #lines: string[] = [];
  readonly #shown = new Map<number, string>();
  #settings: Partial<RaftSettings> = {};
  #mutants: readonly string[] = [];

  /** What is printed while the body runs, taken off what the directive prints. */
  recordQuietly(body: () => void): string {
    const from = this.#lines.length;
    body();
    return this.#lines.splice(from).join("\n");
  }

  /** What is printed while the body runs. */
  record(body: () => void): string {
    this.#lines.length = 0;
    body();
    return this.#lines.join("\n");
  }

  print(line: string): void {
    this.#lines.push(line);
  }

  makeCluster(directive: Directive): void {
    const count = directive.integer("nodes");
    const learners = directive.list("learners").map(idOf);
    const witnesses = directive.list("witnesses").map(idOf);
    const ids = Array.from({ length: count }, (_, at) => at + 1);
    const configuration = toConfiguration({
      incoming: ids.filter((id) => !learners.includes(id)),
      learners,
      witnesses,
    });
    this.#mutants = directive.list("mutants");
    this.#settings = settingsOf(directive);
    for (const id of ids) {
      this.addReplica(id, new MemoryLogStore(configuration), witnesses.includes(id));
    }
    this.print(describeConfiguration(configuration));
  }

  addReplica(id: number, store: MemoryLogStore, isWitness = false): Replica {
    const replica = new Replica({
      id,
      store,
      events: this.#events(),
      random: createRandom(id),
      core: {
        isWitness,
        settings: this.#settings,
        hasMutant: (name) => this.#mutants.includes(name),
      },
    });
    this.#replicas.set(id, replica);
    this.#shown.set(id, describeState(replica.core.state));
    return replica;
  }

  get replicas(): readonly Replica[] {
    return [...this.#replicas.values()];
  }

  get mutants(): readonly string[] {
    return this.#mutants;
  }

  replica(directive: Directive, word = directive.words[0] ?? ""): Replica {
    const replica = this.#replicas.get(idOf(word));
    if (replica === undefined) throw directive.error(`there is no node ${word}`);
    return replica;
  }

  /** Runs a call into one node and prints what changed. */
  act(replica: Replica, body: (core: RaftCore) => void): void {
    try {
      replica.act(body);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "KvsError") throw error;
      this.print(`refused ${error.message}`);
      replica.pump();
    }
    this.showChange(replica);
  }

  showChange(replica: Replica): void {
    if (!replica.isUp) return;
    const violation = findViolation(replica.core.state);
    if (violation !== undefined && this.#mutants.length === 0) throw new Error(violation);
    const text = describeState(replica.core.state);
    if (text === this.#shown.get(replica.id)) return;
    this.#shown.set(replica.id, text);
    this.print(text);
  }

  /** Messages on their way, oldest first. */
  get pool(): readonly Message[] {
    return this.#pool;
  }

  inject(message: Message): void {
    this.#pool.push(message);
  }

  /** The positions of waiting messages that a directive selects, oldest first. */
  select(directive: Directive, fallback: number): Message[] {
    const [from, to, type] = ["from", "to", "type"].map((name) => directive.option(name));
    const count = directive.integer("count", fallback);
    const chosen = this.#pool.filter(
      (message) =>
        (from === undefined || message.from === idOf(from)) &&
        (to === undefined || message.to === idOf(to)) &&
        (type === undefined || message.type === type),
    );
    return chosen.slice(0, count);
  }

  remove(message: Message): void {
    this.#pool.splice(this.#pool.indexOf(message), 1);
  }

  deliver(message: Message): void {
    this.remove(message);
    const replica = this.#replicas.get(message.to);
    if (replica === undefined || !replica.isUp) return;
    const drops = new Map(replica.core.state.drops);
    this.act(replica, (core) => core.step(message));
    for (const [reason, total] of replica.core.state.drops) {
      if (total !== (drops.get(reason) ?? 0)) this.print(`n${replica.id} drops it: ${reason}`);
    }
  }

  /** Delivers all messages, oldest first, until none is left. */
  settle(except: readonly number[]): void {
    for (let count = 0; this.#pool.length > 0; count++) {
      if (count === DELIVERIES_MAX) throw new Error("the cluster never settles");
      const message = this.#pool[0]!;
      if (except.includes(message.from) || except.includes(message.to)) this.remove(message);
      else this.deliver(message);
    }
  }

  #events(): ReplicaEvents {
    return {
      send: (message) => {
        this.#pool.push(message);
        this.print(describeMessage(message));
      },
      applied: (replica, index, batch) => {
        if (batch.kind !== "command") return;
        const text = String.fromCharCode(...payloadAt(batch, index));
        this.print(`n${replica.id} applies ${batch.term}/${index} ${text}`);
      },
      restored: (replica, index) => this.print(`n${replica.id} installs snapshot ${index}`),
      read: (replica, _context, index) => this.print(`n${replica.id} may read at ${index}`),
      readFailed: (replica) => this.print(`n${replica.id} gives up a read`),
      ready: () => undefined,
    };
  }
}

function settingsOf(directive: Directive): Partial<RaftSettings> {
  const settings: Record<string, unknown> = {
    electionTicksMin: 10,
    electionTicksMax: 20,
    heartbeatTicks: 3,
  };
  for (const name of directive.optionNames) {
    if (["nodes", "learners", "witnesses", "mutants"].includes(name)) continue;
    const value = directive.option(name)!;
    if (name === "lease") {
      settings[name] = { tickMs: directive.integer(name), driftBound: 0.01 };
      continue;
    }
    settings[name] = value === "on" || value === "off" ? value === "on" : directive.integer(name);
  }
  return settings;
}

/** The node that a word names: `n3`. */
export function idOf(word: string): number {
  return Number(word.replace(/^n/, ""));
}
