import { createRandom } from "@kvs/env";
import { type Directive } from "@kvs/sim";

import { type MembershipOperation, toConfiguration } from "../src/core/configuration.ts";
import {
  describeConfiguration,
  describeEntries,
  describeMessage,
  describeProgress,
  describeState,
} from "../src/core/describe.ts";
import { type EntryBatch, lastIndexOf, packPayloads, payloadAt } from "../src/core/entry.ts";
import { findViolation } from "../src/core/invariants.ts";
import { type Message } from "../src/core/message.ts";
import { type RaftSettings } from "../src/core/raft-options.ts";
import { type RaftCore } from "../src/core/raft-core.ts";
import { MemoryLogStore } from "../src/memory-log-store.ts";
import { Replica, type ReplicaEvents } from "./replica.ts";

/** More messages than a settled cluster exchanges: a loop. */
const DELIVERIES_MAX = 5000;

/**
 * A cluster that is led by hand: directives in, a printed trace out.
 *
 *   cluster nodes=3 [witnesses=(n3)] [learners=(n4)] [set=value …] [mutants=(raft.…)]
 *   node n1 term=6 log=(1,1,4) [vote=n2] [commit=2]      before the first step of n1
 *   campaign n1           ticks until the election timeout passes
 *   tick n1 [count=5]     deliver [from=n1] [to=n2] [type=…] [count=1]     drop, duplicate: likewise
 *   run count=5 [except=(n3)] [verbose]  ticks all and settles, five times; prints who changed
 *   settle [except=(n3)]  delivers until no message is left; those to or from the excepted are lost
 *   propose n1 a b        read n1       change n1 add-voter=n4 remove=(n1) …     transfer n1 to=n2
 *   slow n1, persist n1, fast n1         the disk
 *   crash n1, restart n1, checkpoint n1, compact n1 to=5, damage n1 from=2 to=3
 *   stalled n1, lost n1 peer=n2, status [n1], progress n1, log n1, inject (hand-made messages)
 */
export class Script {
  readonly #replicas = new Map<number, Replica>();
  readonly #pool: Message[] = [];
  readonly #lines: string[] = [];
  readonly #shown = new Map<number, string>();
  #settings: Partial<RaftSettings> = {};
  #mutants: readonly string[] = [];

  /** What one directive prints. */
  run(directive: Directive): string {
    const command = COMMANDS.get(directive.command);
    if (command === undefined) throw directive.error(`there is no command ${directive.command}`);
    return this.record(() => command(this, directive)) || "ok";
  }

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

type Command = (script: Script, directive: Directive) => void;

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["cluster", (script, directive) => script.makeCluster(directive)],
  ["node", prepareNode],
  ["join", (script, directive) => script.print(joinNode(script, directive))],
  ["campaign", campaign],
  ["tick", tick],
  ["deliver", (script, directive) => script.select(directive, 1).forEach((m) => script.deliver(m))],
  ["drop", (script, directive) => script.select(directive, 1000).forEach((m) => script.remove(m))],
  [
    "duplicate",
    (script, directive) => script.select(directive, 1).forEach((m) => script.inject(m)),
  ],
  ["settle", (script, directive) => script.settle(directive.list("except").map(idOf))],
  ["run", run],
  ["propose", propose],
  ["read", (script, directive) => onNode(script, directive, (core) => void core.readIndex())],
  ["change", change],
  [
    "transfer",
    (s, d) => onNode(s, d, (core) => core.transferLeadership(idOf(d.option("to") ?? ""))),
  ],
  ["slow", (script, directive) => void (script.replica(directive).isDiskSlow = true)],
  ["persist", persist],
  ["fast", (script, directive) => fast(script, directive)],
  ["crash", (script, directive) => script.replica(directive).crash(directive.integer("synced", 0))],
  ["restart", restart],
  ["checkpoint", (script, directive) => script.replica(directive).checkpoint()],
  ["compact", compact],
  ["damage", damage],
  ["stalled", (script, directive) => onNode(script, directive, (core) => core.stalled())],
  ["lost", (s, d) => onNode(s, d, (core) => core.peerLost(idOf(d.option("peer") ?? "")))],
  ["status", status],
  ["progress", progress],
  ["log", showLog],
  ["members", (s, d) => s.print(describeConfiguration(s.replica(d).core.configuration))],
]);

/** Runs the text of a script file with a fresh cluster per file. */
export function scriptHandler(): (directive: Directive) => string {
  const script = new Script();
  return (directive) => script.run(directive);
}

function onNode(script: Script, directive: Directive, body: (core: RaftCore) => void): void {
  script.act(script.replica(directive), body);
}

/** `term=…` and a log of one command per term in `log=(…)`. */
function prepareNode(script: Script, directive: Directive): void {
  const replica = script.replica(directive);
  const terms = directive.list("log").map(Number);
  const { base } = replica.store.image();
  const store = new MemoryLogStore(base.configuration);
  const entries = terms.map((term, at) => ({
    kind: "command" as const,
    term,
    firstIndex: at + 1,
    ...packPayloads([textBytes(`${term}${String.fromCharCode(97 + at)}`)]),
  }));
  const hardState = {
    term: directive.integer("term", terms.at(-1) ?? 0),
    votedFor: idOf(directive.option("vote") ?? "n0"),
    commitIndex: directive.integer("commit", 0),
  };
  store.write({ hardState, newBase: undefined, cutFrom: 0, entries });
  const prepared = script.addReplica(replica.id, store);
  script.print(describeState(prepared.core.state));
}

/** A node that founded nothing, and waits to be told of its group. */
function joinNode(script: Script, directive: Directive): string {
  const replica = script.addReplica(
    idOf(directive.words[0] ?? ""),
    new MemoryLogStore(),
    directive.has("witness"),
  );
  return describeState(replica.core.state);
}

function campaign(script: Script, directive: Directive): void {
  const replica = script.replica(directive);
  const { electionElapsed, electionTimeout } = replica.core.state;
  for (let at = electionElapsed; at < electionTimeout; at++) {
    script.act(replica, (core) => core.tick());
  }
}

function tick(script: Script, directive: Directive): void {
  const ids =
    directive.words.length === 0
      ? script.replicas
      : directive.words.map((word) => script.replica(directive, word));
  for (let at = 0; at < directive.integer("count", 1); at++) {
    for (const replica of ids) script.act(replica, (core) => core.tick());
  }
}

/** Time passes for all alike, and every message arrives before the next tick. */
function run(script: Script, directive: Directive): void {
  const except = directive.list("except").map(idOf);
  const [before] = [script.replicas.map(({ core }) => describeState(core.state))];
  const text = script.recordQuietly(() => {
    for (let at = 0; at < directive.integer("count"); at++) {
      for (const replica of script.replicas) script.act(replica, (core) => core.tick());
      script.settle(except);
    }
  });
  if (directive.has("verbose")) script.print(text);
  for (const [at, replica] of script.replicas.entries()) {
    const after = describeState(replica.core.state);
    if (replica.isUp && after !== before[at]) script.print(after);
  }
}

/** All payloads of one directive are one batch. */
function propose(script: Script, directive: Directive): void {
  const payloads = packPayloads(directive.words.slice(1).map(textBytes));
  onNode(script, directive, (core) => void core.propose(payloads));
}

function change(script: Script, directive: Directive): void {
  const operations: MembershipOperation[] = [];
  for (const type of ["add-voter", "add-witness", "add-learner", "remove"] as const) {
    for (const word of directive.list(type)) operations.push({ type, node: idOf(word) });
  }
  const allowLagging = directive.has("lagging");
  onNode(script, directive, (core) => void core.changeMembership(operations, { allowLagging }));
}

function persist(script: Script, directive: Directive): void {
  const replica = script.replica(directive);
  replica.persistNext();
  script.showChange(replica);
}

function fast(script: Script, directive: Directive): void {
  const replica = script.replica(directive);
  replica.isDiskSlow = false;
  while (replica.queue.length > 0) replica.persistNext();
  script.showChange(replica);
}

function restart(script: Script, directive: Directive): void {
  const replica = script.replica(directive);
  replica.restart();
  script.print(describeState(replica.core.state));
  script.showChange(replica);
}

function compact(script: Script, directive: Directive): void {
  const replica = script.replica(directive);
  replica.compact(directive.integer("to"));
  script.showChange(replica);
}

function damage(script: Script, directive: Directive): void {
  const replica = script.replica(directive);
  replica.damaged = [{ from: directive.integer("from"), to: directive.integer("to") }];
}

function status(script: Script, directive: Directive): void {
  const { words } = directive;
  const chosen =
    words.length === 0 ? script.replicas : words.map((w) => script.replica(directive, w));
  for (const replica of chosen) {
    script.print(replica.isUp ? describeState(replica.core.state) : `n${replica.id} down`);
  }
}

function progress(script: Script, directive: Directive): void {
  const { leading } = script.replica(directive).core.state;
  for (const each of leading?.others ?? []) script.print(describeProgress(each));
}

function showLog(script: Script, directive: Directive): void {
  const { log } = script.replica(directive).core.state;
  const entries: EntryBatch[] = [];
  for (
    let from = log.baseIndex + 1;
    from <= log.lastIndex;
    from = lastIndexOf(entries.at(-1)!) + 1
  ) {
    entries.push(...log.read(from, log.lastIndex, 1e9)!);
  }
  script.print(describeEntries(entries));
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

function idOf(word: string): number {
  return Number(word.replace(/^n/, ""));
}

function textBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
