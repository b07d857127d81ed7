import { expect, test } from "vitest";

import { MUTANTS, type Mutant } from "../src/core/mutants.ts";
import { type Replica } from "./replica.ts";
import { Stage } from "./stage.ts";

/** Plays a scene under a sabotage, if any; tells whether the promise it is about was kept. */
type Scene = (mutants: readonly string[]) => boolean;

interface Case {
  readonly promise: string;
  readonly scene: Scene;
}

/** Whatever breaks an invariant or a promise on the way did not keep it. */
function isKept(scene: Scene, mutants: readonly string[]): boolean {
  try {
    return scene(mutants);
  } catch (error) {
    if (mutants.length === 0) throw error;
    return false;
  }
}

const PAPER = "preVote=off checkQuorum=off";

/** Three nodes led by n1 in term 1, all caught up. */
function ledByOne(mutants: readonly string[], settings = ""): Stage {
  const stage = new Stage(`nodes=3 ${settings}`, mutants);
  stage.elect(1);
  stage.do("tick n1 count=3", "settle");
  return stage;
}

const CASES: Readonly<Record<Mutant, Case>> = {
  "raft.vote-before-persist": {
    promise: "REL-R1: a vote is durable before it is answered",
    scene(mutants) {
      const stage = new Stage(`nodes=3 ${PAPER}`, mutants);
      stage.do("slow n2", "campaign n1", "deliver to=n2 type=vote-request");
      const isSilent = stage.messages("vote-response", { from: 2 }).length === 0;
      stage.do("persist n2");
      return isSilent && stage.messages("vote-response", { from: 2 }).length === 1;
    },
  },
  "raft.ack-before-persist": {
    promise: "REL-R2: entries are acknowledged once they are durable",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("slow n2", "propose n1 a", "deliver to=n2 type=append-request");
      const isSilent = stage.messages("append-response", { from: 2 }).length === 0;
      stage.do("persist n2");
      return isSilent && stage.messages("append-response", { from: 2 }).length === 1;
    },
  },
  "raft.leader-counts-unsynced": {
    promise: "REL-R2: the leader counts itself after its own disk",
    scene(mutants) {
      const stage = ledByOne(mutants);
      const before = stage.core(1).commitIndex;
      stage.do("slow n1", "propose n1 a", "settle except=(n3)");
      const isPatient = stage.core(1).commitIndex === before;
      stage.do("persist n1");
      return isPatient && stage.core(1).commitIndex === before + 1;
    },
  },
  "raft.truncate-on-match": {
    promise: "REL-R3: a late append erases nothing that matches",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("slow n1", "propose n1 a");
      const [late] = stage.messages("append-request", { to: 2 });
      stage.do("settle except=(n3)", "propose n1 b", "settle except=(n3)");
      const { lastIndex } = stage.core(2);
      stage.hand(late!);
      return stage.core(2).lastIndex === lastIndex;
    },
  },
  "raft.commit-older-term": {
    promise: "REL-R4: an entry of an earlier term is not committed by counting (figure 8)",
    scene(mutants) {
      const stage = new Stage(`nodes=5 ${PAPER} messageMaxBytes=1`, mutants);
      stage.do(
        "node n1 term=3 log=(1,2)",
        "node n2 term=3 log=(1,2)",
        "node n3 term=3 log=(1)",
        "node n4 term=3 log=(1)",
        "node n5 term=3 log=(1,3)",
        "crash n5",
      );
      stage.do(
        "campaign n1",
        "deliver to=n2",
        "deliver to=n4",
        "deliver from=n2",
        "deliver from=n4",
      );
      // n2 takes the entry of the new term; n3 gets the one of term 2, and then nothing more.
      stage.do("deliver to=n2 type=append-request", "deliver from=n2");
      for (let at = 0; at < 4 && stage.core(3).lastIndex < 2; at++) {
        stage.do("deliver to=n3 type=append-request", "deliver from=n3");
      }
      return stage.core(1).commitIndex < 2;
    },
  },
  "raft.commit-beyond-match": {
    promise: "REL-R5: a follower commits no further than what it compared",
    scene(mutants) {
      const stage = new Stage(`nodes=3 ${PAPER} messageMaxBytes=1`, mutants);
      stage.do(
        "node n1 term=3 log=(1,1,2)",
        "node n2 term=3 log=(1,1,2)",
        "node n3 term=3 log=(1,1,1)",
      );
      stage.do("campaign n1", "settle except=(n3)");
      // A message that ends before the entry in which n3 differs, with news of a later commit.
      const { term, commitIndex, state } = stage.core(1);
      const entries = state.log.read(2, 2, 1)!;
      const envelope = { type: "append-request", group: 1, from: 1, to: 3, term } as const;
      stage.hand({ ...envelope, prevIndex: 1, prevTerm: 1, entries, commitIndex, stableIndex: 0 });
      return commitIndex >= 3 && stage.core(3).commitIndex === 2;
    },
  },
  "raft.match-regress": {
    promise: "REL-R6: a late acknowledgement takes nothing back",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("propose n1 a", "deliver to=n2 type=append-request");
      const [late] = stage.messages("append-response", { from: 2 });
      stage.do("settle", "propose n1 b", "settle");
      stage.hand(late!);
      const match = stage.core(1).state.leading!.peers.get(2)!.matchIndex;
      return match === stage.core(1).lastIndex;
    },
  },
  "raft.term-goes-down": {
    promise: "REL-R7: a leader of an earlier term is not followed",
    scene(mutants) {
      const stage = ledByOne(mutants, PAPER);
      stage.do("propose n1 a");
      const [late] = stage.messages("append-request", { to: 3 });
      stage.do("drop", "campaign n2", "settle except=(n1)");
      const { term } = stage.core(3);
      stage.hand(late!);
      return stage.core(3).term === term && stage.core(3).leader === 2;
    },
  },
  "raft.vote-twice": {
    promise: "REL-R7: a node votes once in a term",
    scene(mutants) {
      const stage = new Stage(`nodes=3 ${PAPER}`, mutants);
      stage.do("campaign n1", "campaign n2", "deliver from=n1 to=n3", "deliver from=n2 to=n3");
      return stage.messages("vote-response", { from: 3 }).filter((m) => m.granted).length === 1;
    },
  },
  "raft.prevote-counts-as-vote": {
    promise: "REL-R8: the promise of a vote is no vote",
    scene(mutants) {
      const stage = new Stage("nodes=5", mutants);
      stage.do("campaign n1");
      for (const id of [2, 3, 4]) stage.do(`deliver to=n${id}`);
      const promises = stage.messages("vote-response");
      stage.do("deliver from=n2", "deliver from=n3");
      const isCandidate = stage.core(1).role === "candidate";
      stage.do("drop");
      for (const promise of promises.slice(0, 3)) stage.hand({ ...promise, term: 1 });
      return isCandidate && stage.core(1).role === "candidate";
    },
  },
  "raft.duplicate-vote-counts": {
    promise: "REL-R8: a repeated vote is one vote",
    scene(mutants) {
      const stage = new Stage(`nodes=5 ${PAPER}`, mutants);
      stage.do("campaign n1", "deliver to=n2");
      const [vote] = stage.messages("vote-response", { from: 2 });
      stage.hand(vote!);
      stage.hand(vote!);
      return stage.core(1).role === "candidate";
    },
  },
  "raft.log-compared-by-index": {
    promise: "REL-R9: the later last term wins, not the longer log",
    scene(mutants) {
      const stage = new Stage(`nodes=3 ${PAPER}`, mutants);
      stage.do(
        "node n1 term=3 log=(1,1,1,1)",
        "node n2 term=3 log=(1,3)",
        "node n3 term=3 log=(1,3)",
      );
      stage.do("campaign n1", "settle");
      return stage.core(1).role !== "leader";
    },
  },
  "raft.read-before-own-term": {
    promise: "REL-R10: a new leader reads after it committed an entry of its term",
    scene(mutants) {
      const stage = new Stage(`nodes=3 ${PAPER}`, mutants);
      stage.do("node n1 term=1 log=(1,1)", "node n2 term=1 log=(1,1)", "node n3 term=1 log=(1,1)");
      stage.do("campaign n1", "deliver to=n2", "deliver from=n2", "drop");
      stage.do("read n1", "settle");
      return !stage.printed.some((text) => text.includes("may read at 0"));
    },
  },
  "raft.read-confirmed-by-earlier-heartbeat": {
    promise: "REL-R11: a read is confirmed by heartbeats that were sent after it",
    scene(mutants) {
      const stage = ledByOne(mutants, PAPER);
      stage.do("tick n1 count=3", "deliver to=n2", "deliver to=n3");
      // The answers to an earlier round are on their way when the read is asked for.
      const answers = stage.messages("heartbeat-response");
      stage.do("drop", "read n1", "drop");
      for (const answer of answers) stage.hand(answer);
      return !stage.printed.some((text) => text.includes("may read"));
    },
  },
  "raft.read-context-reused": {
    promise: "REL-R11: an answer to an earlier attempt confirms no later one",
    scene(mutants) {
      const stage = ledByOne(mutants, PAPER);
      stage.do("read n2", "settle except=(n2)", "tick n2 count=3");
      stage.do("read n3");
      const [request] = stage.messages("read-request");
      stage.do("drop");
      stage.do("read n3");
      const { context, group, from, to, term } = request!;
      const answer = { type: "read-response", group, from: to, to: from, term, index: 0 } as const;
      stage.hand({ ...answer, context: context - 1 });
      return !stage.printed.some((text) => text.includes("n3 may read at 0"));
    },
  },
  "raft.lease-survives-stall": {
    promise: "REL-R12: no lease counts across a stall",
    scene(mutants) {
      const stage = leaseStage(mutants);
      const read = stage.core(1).leaseRead(30);
      stage.core(1).stalled();
      return read !== undefined && !stage.core(1).confirmsLeaseRead(read, 31);
    },
  },
  "raft.configuration-survives-truncation": {
    promise: "REL-R14: a configuration goes with its entry",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("join n4", "change n1 add-learner=(n4)", "drop", "campaign n2");
      stage.do("tick n3 count=12", "settle except=(n1)");
      if (stage.core(2).role !== "leader") stage.do("campaign n2", "settle except=(n1)");
      stage.do("tick n2 count=3", "settle");
      return stage.core(2).role === "leader" && stage.core(1).configuration.learners.length === 0;
    },
  },
  "raft.change-before-own-term": {
    promise: "REL-R14: a new leader changes members after it committed an entry of its term",
    scene(mutants) {
      const stage = new Stage(`nodes=3 ${PAPER}`, mutants);
      stage.do("node n1 term=1 log=(1)", "node n2 term=1 log=(1)", "node n3 term=1 log=(1)");
      stage.do("campaign n1", "deliver to=n2", "deliver from=n2", "drop");
      return stage.do("change n1 remove=(n3)").includes("RAFT_CHANGE_PENDING");
    },
  },
  "raft.single-half-quorum": {
    promise: "REL-R15: while joint, both halves decide",
    scene(mutants) {
      const stage = ledByOne(mutants);
      const before = stage.core(1).commitIndex;
      stage.do("change n1 remove=(n2,n3)", "drop");
      return stage.core(1).commitIndex === before;
    },
  },
  "raft.learner-counts": {
    promise: "REL-R15: a learner's acknowledgement commits nothing",
    scene(mutants) {
      const stage = new Stage(`nodes=5 learners=(n3,n4,n5) ${PAPER}`, mutants);
      stage.do("campaign n1", "settle", "propose n1 a", "settle except=(n2)");
      return stage.core(1).commitIndex < stage.core(1).lastIndex;
    },
  },
  "raft.removed-leader-stays": {
    promise: "REL-R16: a leader that is removed leaves office",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("change n1 remove=(n1)", "settle");
      return stage.core(1).role !== "leader";
    },
  },
  "raft.no-stickiness": {
    promise: "REL-R16: a node that was removed does not disturb a leader that is heard",
    scene(mutants) {
      const stage = ledByOne(mutants, "preVote=off");
      stage.do("campaign n3", "settle");
      return stage.core(1).role === "leader" && stage.core(1).term === 1;
    },
  },
  "raft.no-check-quorum": {
    promise: "REL-R17: a leader that hears no quorum steps down",
    scene(mutants) {
      const stage = ledByOne(mutants);
      for (let at = 0; at < 25; at++) stage.do("tick n1", "drop");
      return stage.core(1).role !== "leader";
    },
  },
  "raft.transfer-to-stale": {
    promise: "REL-R18: leadership passes to a node that has all entries",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("propose n1 a", "settle except=(n3)", "transfer n1 to=n3");
      const isEarly = stage.messages("timeout-now").length > 0;
      stage.do("deliver to=n3 type=timeout-now");
      return !isEarly && stage.core(3).role === "follower";
    },
  },
  "raft.install-older-snapshot": {
    promise: "REL-R19: a snapshot older than the log changes nothing",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("propose n1 a b c", "settle", "tick n1 count=3", "settle");
      const { term, configuration } = stage.core(2);
      const before = stage.node(2).app;
      const snapshot = { index: 2, term, configuration, sizeBytes: 0, checksum: 0 };
      const envelope = { type: "snapshot-request", group: 1, from: 1, to: 2, term } as const;
      stage.hand({ ...envelope, snapshot, offset: 0, data: new Uint8Array(0), checksum: 0 });
      return stage.node(2).app === before;
    },
  },
  "raft.apply-unsynced": {
    promise: "REL-R20: what is applied is durable here",
    scene(mutants) {
      const stage = ledByOne(mutants);
      stage.do("slow n1", "propose n1 a", "settle");
      return stage.core(1).appliedIndex <= stage.node(1).store.lastIndex;
    },
  },
  "raft.leads-with-hung-disk": {
    promise: "REL-R24: a leader whose disk hangs makes way",
    scene(mutants) {
      const stage = ledByOne(mutants, "diskStallTicks=20");
      stage.do("slow n1", "propose n1 a", "settle");
      for (let at = 0; at < 25; at++) stage.do("tick n1", "settle");
      return stage.core(1).role !== "leader" && stage.core(2).role === "leader";
    },
  },
  "raft.damaged-votes": {
    promise: "REL-R25: a node that lost entries neither votes nor campaigns",
    scene(mutants) {
      const stage = new Stage(`nodes=3 ${PAPER}`, mutants);
      stage.do(
        "node n1 term=1 log=(1,1,1)",
        "node n2 term=1 log=(1,1)",
        "node n3 term=1 log=(1,1,1)",
      );
      stage.do("crash n3", "damage n3 from=3 to=3", "restart n3", "campaign n3");
      const isQuiet = stage.messages("vote-request", { from: 3 }).length === 0;
      stage.do("campaign n1", "deliver to=n3");
      return isQuiet && !stage.messages("vote-response", { from: 3 }).some((m) => m.granted);
    },
  },
};

/** n1 leads with a lease from a round that was sent at 20 ms. */
function leaseStage(mutants: readonly string[]): Stage {
  const stage = new Stage("nodes=3 lease=10", mutants);
  stage.do("tick n2 n3 count=10"); // in an earlier life they may have promised a lease
  stage.elect(1);
  const leader: Replica = stage.node(1);
  for (let at = 0; at < 4; at++) leader.act((core) => core.tick(20));
  stage.do("settle");
  return stage;
}

for (const name of MUTANTS) {
  const { promise, scene } = CASES[name];
  test(`${promise} (${name})`, () => {
    expect(isKept(scene, [])).toBe(true);
    expect(isKept(scene, [name])).toBe(false);
  });
}
