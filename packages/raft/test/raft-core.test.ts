import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { packPayloads } from "../src/core/entry.ts";
import { findViolation } from "../src/core/invariants.ts";
import { type EntryReader } from "../src/core/log-store.ts";
import { type Message } from "../src/core/message.ts";
import { RaftCore } from "../src/core/raft-core.ts";
import { type RaftEvent } from "../src/core/raft-trace.ts";
import { MemoryLogStore } from "../src/memory-log-store.ts";
import { simpleChecksum } from "./image.ts";
import { Stage } from "./stage.ts";

function ledByOne(settings = ""): Stage {
  const stage = new Stage(`nodes=3 ${settings}`);
  stage.elect(1);
  stage.do("run count=3");
  return stage;
}

/** A leader alone, with all it needs to be built anew. */
function single(reader?: (store: MemoryLogStore) => EntryReader, cacheMaxBytes = 0) {
  const store = new MemoryLogStore({ incoming: [1] });
  const events: RaftEvent[] = [];
  const core = new RaftCore({
    self: 1,
    group: 1,
    image: store.image(),
    reader: reader?.(store) ?? store,
    random: createRandom(1),
    checksum: simpleChecksum,
    settings: { cacheMaxBytes },
    observer: { event: (event) => events.push(event) },
  });
  return { store, core, events };
}

function pump(core: RaftCore, store: MemoryLogStore): Message[] {
  const sent: Message[] = [];
  for (let ready = core.ready(); ready !== undefined; ready = core.ready()) {
    sent.push(...ready.messages);
    if (ready.number !== 0) {
      store.write(ready);
      sent.push(...ready.afterPersist);
      core.persisted(ready.number);
    }
    const last = ready.apply.at(-1);
    if (last !== undefined) core.applied(last.firstIndex + last.offsets.length - 2);
  }
  return sent;
}

test("a group of one elects itself once its vote is durable, and commits once its disk has it", () => {
  const { core, store } = single();
  while (core.role === "follower") core.tick();
  const ready = core.ready()!;

  expect(core.role).toBe("candidate");
  expect(ready.hardState).toEqual({ term: 1, votedFor: 1, commitIndex: 0 });
  store.write(ready);
  core.persisted(ready.number);
  expect(core.role).toBe("leader");
  expect(core.commitIndex).toBe(0);
  pump(core, store);
  expect(core.commitIndex).toBe(1);
});

test("no Ready without anything to do", () => {
  const { core, store } = single();
  expect(core.ready()).toBeUndefined();
  while (core.role !== "leader") {
    core.tick();
    pump(core, store);
  }
  expect(core.ready()).toBeUndefined();
});

test("REL-R27: a restarted node knows its term, its vote and its log", () => {
  const stage = ledByOne();
  stage.do("propose n1 a b", "settle", "checkpoint n2", "crash n2", "restart n2");
  const { state, term, lastIndex, commitIndex, appliedIndex } = stage.core(2);

  expect([term, state.votedFor, lastIndex]).toEqual([1, 1, 3]);
  expect([commitIndex, appliedIndex]).toEqual([3, 3]);
});

test("a restart between installing a snapshot and resetting the log ends in the snapshot's state", () => {
  const store = new MemoryLogStore({ incoming: [1, 2, 3] });
  const hardState = { term: 4, votedFor: 0, commitIndex: 0 };
  const entries = [
    { kind: "command", term: 1, firstIndex: 1, ...packPayloads([new Uint8Array(1)]) },
  ] as const;
  store.write({ hardState, newBase: undefined, cutFrom: 0, entries });
  const { configuration } = store.image().base;
  const appliedPoint = { index: 7, term: 3, configuration };
  const options = {
    self: 1,
    group: 1,
    reader: store,
    random: createRandom(1),
    checksum: simpleChecksum,
  };
  const core = new RaftCore({ ...options, image: store.image(), appliedPoint });

  expect([core.lastIndex, core.commitIndex, core.appliedIndex]).toEqual([7, 7, 7]);
  const ready = core.ready()!;
  expect(ready.newBase).toEqual({ point: appliedPoint, keepsSuffix: false });
  store.write(ready);
  expect(store.image()).toMatchObject({ lastIndex: 7, base: appliedPoint, runs: [] });
});

test("entries that are not in memory are loaded, and sent then", () => {
  let isLoaded = false;
  const stage = { store: new MemoryLogStore({ incoming: [1, 2] }) };
  const reader: EntryReader = {
    read: (from, to, max) => (isLoaded ? stage.store.read(from, to, max) : undefined),
  };
  const entries = [
    { kind: "command", term: 1, firstIndex: 1, ...packPayloads([new Uint8Array(1)]) },
  ] as const;
  const hardState = { term: 1, votedFor: 0, commitIndex: 0 };
  stage.store.write({ hardState, newBase: undefined, cutFrom: 0, entries });
  const core = new RaftCore({
    self: 1,
    group: 1,
    image: stage.store.image(),
    reader,
    random: createRandom(1),
    checksum: simpleChecksum,
    settings: { preVote: false },
  });
  while (core.role === "follower") core.tick();
  pump(core, stage.store);
  const envelope = { group: 1, from: 2, to: 1, term: 2 } as const;
  core.step({
    ...envelope,
    type: "vote-response",
    isPreVote: false,
    granted: true,
    lastIndex: 0,
    lastTerm: 0,
  });
  pump(core, stage.store);
  core.step({
    ...envelope,
    type: "append-response",
    accepted: false,
    matchIndex: 0,
    rejectedIndex: 1,
    hintIndex: 0,
    hintTerm: 0,
  });

  expect(pump(core, stage.store)).toEqual([]);
  isLoaded = true;
  core.entriesLoaded();
  expect(pump(core, stage.store)).toMatchObject([{ type: "append-request", prevIndex: 0 }]);
});

test("the trace tells, in order, what the specification has names for", () => {
  const { core, store, events } = single();
  while (core.role !== "leader") {
    core.tick();
    pump(core, store);
  }
  core.propose(packPayloads([Uint8Array.of(1), Uint8Array.of(2)]));
  pump(core, store);

  expect(events.map(({ name }) => name)).toEqual([
    "InitState",
    "BecomeCandidate",
    "Ready",
    "BecomeLeader",
    "ChangeConf",
    "Ready",
    "Commit",
    "ApplyConfChange",
    "Ready",
    "Replicate",
    "Replicate",
    "Ready",
    "Commit",
    "Ready",
  ]);
  expect(JSON.parse(JSON.stringify(events.at(-1)))).toEqual({
    name: "Ready",
    nid: "1",
    role: "StateLeader",
    state: { term: 1, vote: "1", commit: 3 },
    log: 3,
    conf: [["1"], []],
  });
});

test("the trace tells of messages, with what the specification compares", () => {
  const store = new MemoryLogStore({ incoming: [1, 2] });
  const events: RaftEvent[] = [];
  const core = new RaftCore({
    self: 1,
    group: 1,
    image: store.image(),
    reader: store,
    random: createRandom(1),
    checksum: simpleChecksum,
    observer: { event: (event) => events.push(event) },
  });
  core.step({
    type: "append-request",
    group: 1,
    from: 2,
    to: 1,
    term: 3,
    prevIndex: 4,
    prevTerm: 2,
    entries: [],
    commitIndex: 4,
    stableIndex: 0,
  });

  expect(events.map(({ name }) => name)).toEqual([
    "InitState",
    "ReceiveAppendEntriesRequest",
    "BecomeFollower",
    "SendAppendEntriesResponse",
  ]);
  expect(events[1]!.msg).toEqual({
    type: "append-request",
    term: 3,
    from: "2",
    to: "1",
    entries: 0,
    logTerm: 2,
    index: 4,
    commit: 4,
    vote: "0",
    reject: false,
    rejectHint: 0,
  });
  expect(events.at(-1)!.msg).toMatchObject({ reject: true, index: 4, rejectHint: 0 });
});

test("a learner that has caught up becomes a voter when the policy says so", () => {
  const stage = new Stage("nodes=4 learners=(n4)");
  stage.elect(1);
  const state = stage.core(1).state as { shouldPromote: (id: number) => boolean };
  stage.do("run count=3");
  expect(stage.core(1).configuration.learners).toEqual([4]);
  state.shouldPromote = (id) => id === 4;
  stage.do("run count=3");

  expect(stage.core(1).configuration).toMatchObject({ incoming: [1, 2, 3, 4], learners: [] });
});

test("REL-R19: a bad image is not installed, and is sent anew", () => {
  const stage = new Stage("nodes=3 snapshotRetryTicks=5");
  stage.elect(1);
  stage.do("crash n3", "propose n1 a b c", "settle", "compact n1 to=4", "restart n3", "slow n3");
  stage.do("run count=3");
  // The whole image arrived, and then its bytes turn out to be others than those that were made.
  const { core } = stage.node(3);
  expect(core.state.installing?.index).toBe(4);
  core.snapshotInstalled(false);
  stage.node(3).queue.length = 0;
  core.persisted(core.state.lastNumber);
  expect(core.appliedIndex).toBe(1);
  stage.do("fast n3", "run count=20");

  expect(core.appliedIndex).toBe(4);
});

test("REL-R19: the log is kept as long as an image is being sent", () => {
  const stage = new Stage("nodes=3 snapshotChunkBytes=8");
  stage.elect(1);
  stage.do("crash n3", "propose n1 a b c", "settle", "compact n1 to=4", "restart n3");
  stage.do(
    "tick n1 count=3",
    "deliver to=n3",
    "deliver from=n3",
    "deliver to=n3",
    "deliver from=n3",
  );
  expect(stage.core(1).state.leading!.peers.get(3)!.state).toBe("snapshot");
  stage.do("propose n1 d e f", "settle except=(n3)");

  stage.do("compact n1 to=7");
  expect(stage.core(1).state.log.baseIndex).toBe(4);
  stage.do("run count=40");
  expect(stage.core(3).appliedIndex).toBe(7);
  stage.do("compact n1 to=7");
  expect(stage.core(1).state.log.baseIndex).toBe(7);
});

test("a witness that fell behind is given position and members, and no state", () => {
  const stage = new Stage("nodes=3 witnesses=(n3)");
  stage.elect(1);
  stage.do(
    "crash n3",
    "propose n1 a b",
    "settle",
    "run count=3",
    "compact n1 to=3",
    "propose n1 c",
    "settle",
  );
  expect(stage.core(1).state.log.baseIndex).toBe(3);
  stage.do("restart n3", "run count=4");

  expect(stage.core(3).state.log.baseIndex).toBe(3);
  expect(stage.core(3).lastIndex).toBe(4);
  expect(stage.node(1).images.size).toBe(0);
});

test("with witnesses, nobody drops what a voter with data lacks", () => {
  const stage = new Stage("nodes=3 witnesses=(n3)");
  stage.elect(1);
  stage.do("crash n2", "propose n1 a b", "settle", "run count=3");

  stage.do("compact n1 to=3");
  expect(stage.core(1).state.log.baseIndex).toBeLessThanOrEqual(1);
});

test("entries fetched from a witness bring their term with them", () => {
  const stage = new Stage("nodes=3 witnesses=(n3)");
  stage.do("node n2 term=1 log=(1)", "node n3 term=1 log=(1,1)", "campaign n2", "deliver to=n3");
  stage.do("deliver from=n3 to=n2");
  const [question] = stage.messages("fetch-request", { from: 2, to: 3 });
  // Before the question arrives, the witness hears of a leader in a later term.
  const entries = [
    { kind: "empty", term: 6, firstIndex: 3, ...packPayloads([new Uint8Array(0)]) },
  ] as const;
  const envelope = { type: "append-request", group: 1, from: 1, to: 3, term: 6 } as const;
  stage.hand({ ...envelope, prevIndex: 2, prevTerm: 1, entries, commitIndex: 0, stableIndex: 0 });
  stage.do("drop");
  stage.hand(question!);
  stage.do("settle except=(n1)");

  expect(stage.core(2).lastIndex).toBe(3);
  expect(stage.core(2).term).toBe(6);
  expect(findViolation(stage.core(2).state)).toBeUndefined();
});

test("a quiet follower wakes when somebody campaigns: its leader may be gone", () => {
  const stage = new Stage("nodes=3 preVote=off quietAfterTicks=6");
  stage.elect(1);
  stage.do("run count=12");
  expect(stage.core(2).isQuiet).toBe(true);
  stage.do("crash n1", "restart n1", "campaign n1", "settle");

  // It is not protected from its own leader, which does not lead any more.
  expect(stage.core(1).role).toBe("leader");
  stage.do("run count=12", "crash n1", "lost n3 peer=n1", "campaign n3", "settle");
  expect(stage.core(2).isQuiet).toBe(false);
  stage.do("run count=60");
  expect([stage.core(2).role, stage.core(3).role]).toContain("leader");
});
