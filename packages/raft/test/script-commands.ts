/**
 * The commands of scripts: directives in, a printed trace out.
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
import { type Directive } from "@kvs/sim";

import { type MembershipOperation } from "../src/core/configuration.ts";
import {
  describeConfiguration,
  describeEntries,
  describeProgress,
  describeState,
} from "../src/core/describe.ts";
import { type EntryBatch, lastIndexOf, packPayloads } from "../src/core/entry.ts";
import { type RaftCore } from "../src/core/raft-core.ts";
import { MemoryLogStore } from "../src/memory-log-store.ts";
import { idOf, Script } from "./script.ts";

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

/** Runs the directives of one file on one cluster. */
export function scriptHandler(): (directive: Directive) => string {
  const script = new Script();
  return (directive) => runCommand(script, directive);
}

/** What one directive prints. */
export function runCommand(script: Script, directive: Directive): string {
  const command = COMMANDS.get(directive.command);
  if (command === undefined) throw directive.error(`there is no command ${directive.command}`);
  return script.record(() => command(script, directive)) || "ok";
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
  const prepared = script.addReplica(replica.id, store, replica.core.isWitness);
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

function textBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
