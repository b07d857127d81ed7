import { AssertionFailure, createRandom, pick } from "@kvs/env";
import { expect, test } from "vitest";

import { describeState } from "../src/core/describe.ts";
import { type DropReason } from "../src/core/drop-reason.ts";
import { type EntryBatch, packPayloads } from "../src/core/entry.ts";
import { POSITION_MAX, TERM_JUMP_MAX } from "../src/core/ids.ts";
import { findViolation } from "../src/core/invariants.ts";
import { type Message } from "../src/core/message.ts";
import { type RaftCore } from "../src/core/raft-core.ts";
import { simpleChecksum } from "./image.ts";
import { Stage } from "./stage.ts";

const NO_DATA = new Uint8Array(0);

/** n1 leads term 1 with three commands; all have all. */
function settled(): Stage {
  const stage = new Stage("nodes=3");
  stage.elect(1);
  stage.do("propose n1 a b c", "settle", "run count=3");
  return stage;
}

/** All that a message could change, as text. */
function stateOf(core: RaftCore): string {
  const { log, membership, votes, leading, electionElapsed, matchedIndex, incoming } = core.state;
  const progress = leading?.others.map((each) => [
    each.id,
    each.matchIndex,
    each.nextIndex,
    each.state,
  ]);
  const rest = [membership.current, [...votes], progress, electionElapsed, matchedIndex, incoming];
  return `${describeState(core.state)} ${log.baseIndex} ${JSON.stringify(rest)}`;
}

/** Hands the message to the node and tells for what reason it was dropped; nothing else changed. */
function dropReason(stage: Stage, message: Message): DropReason | undefined {
  const core = stage.core(message.to === 1 ? 1 : 2);
  const [state, drops] = [stateOf(core), new Map(core.state.drops)];
  core.step(message);
  expect(stateOf(core)).toBe(state);
  for (const [reason, count] of core.state.drops)
    if (count !== (drops.get(reason) ?? 0)) return reason;
  return undefined;
}

function batchOf(
  firstIndex: number,
  term: number,
  bytes: Uint8Array = Uint8Array.of(1),
): EntryBatch {
  return { kind: "command", term, firstIndex, ...packPayloads([bytes]) };
}

const toFollower = { group: 1, from: 1, to: 2, term: 1 } as const;
const toLeader = { group: 1, from: 2, to: 1, term: 1 } as const;
const append = {
  ...toFollower,
  type: "append-request",
  prevIndex: 4,
  prevTerm: 1,
  entries: [batchOf(5, 1)],
  commitIndex: 4,
  stableIndex: 0,
} as const;
const accepted = {
  ...toLeader,
  type: "append-response",
  accepted: true,
  matchIndex: 4,
  rejectedIndex: 0,
  hintIndex: 0,
  hintTerm: 0,
} as const;
const snapshot = {
  index: 9,
  term: 1,
  configuration: { incoming: [1, 2, 3], outgoing: [], learners: [], witnesses: [] },
  sizeBytes: 10,
  checksum: 0,
};
const chunk = {
  ...toFollower,
  type: "snapshot-request",
  snapshot,
  offset: 0,
  data: NO_DATA,
  checksum: 0,
} as const;

const CASES: readonly (readonly [string, DropReason, Message])[] = [
  ["of another group", "wrong-group", { ...append, group: 2 }],
  ["for another node", "not-addressed", { ...append, to: 3 }],
  ["from the node itself", "from-self", { ...append, from: 2 }],
  ["from nobody", "malformed", { ...append, from: 0 }],
  ["from a fraction", "malformed", { ...append, from: 1.5 }],
  ["with a term that is no number", "malformed", { ...append, term: Number.NaN }],
  ["with a negative term", "malformed", { ...append, term: -1 }],
  ["with a term beyond all terms", "malformed", { ...append, term: 2 ** 53 }],
  ["with a jump of the term", "term-jump", { ...append, term: TERM_JUMP_MAX + 2 }],
  ["of no known kind", "malformed", { ...append, type: "constructor" as "append-request" }],
  ["with an index beyond 2^53", "malformed", { ...append, prevIndex: 2 ** 60 }],
  ["with a fraction of an index", "malformed", { ...append, commitIndex: 1.5 }],
  ["with text for an index", "malformed", { ...append, commitIndex: "4" as unknown as number }],
  ["with a previous term above its own", "malformed", { ...append, prevTerm: 2 }],
  ["with entries that leave a gap", "malformed-entries", { ...append, entries: [batchOf(6, 1)] }],
  ["with entries of a later term", "malformed-entries", { ...append, entries: [batchOf(5, 2)] }],
  ["with entries of term 0", "malformed-entries", { ...append, entries: [batchOf(5, 0)] }],
  [
    "with entries whose terms descend",
    "malformed-entries",
    { ...append, term: 2, prevTerm: 2, entries: [batchOf(5, 1)] },
  ],
  [
    "with entries beyond all indices",
    "malformed-entries",
    { ...append, prevIndex: POSITION_MAX, entries: [batchOf(POSITION_MAX + 1, 1)] },
  ],
  [
    "with an empty batch",
    "malformed-entries",
    { ...append, entries: [{ ...batchOf(5, 1), offsets: new Uint32Array(1) }] },
  ],
  [
    "with offsets beyond the data",
    "malformed-entries",
    { ...append, entries: [{ ...batchOf(5, 1), offsets: Uint32Array.of(0, 2) }] },
  ],
  [
    "with offsets that descend",
    "malformed-entries",
    { ...append, entries: [{ ...batchOf(5, 1), offsets: Uint32Array.of(1, 0, 1) }] },
  ],
  [
    "with an unknown kind of entry",
    "malformed-entries",
    { ...append, entries: [{ ...batchOf(5, 1), kind: "other" as "command" }] },
  ],
  [
    "with a configuration that is none",
    "malformed-configuration",
    { ...append, entries: [{ ...batchOf(5, 1), kind: "configuration" }] },
  ],
  ["from a second leader of the term", "second-leader", { ...append, from: 3 }],
  [
    "from a second leader of the term, to the leader",
    "second-leader",
    { ...append, from: 3, to: 1 },
  ],
  ["that acknowledges what was never sent", "beyond-log", { ...accepted, matchIndex: 99 }],
  [
    "that rejects what was never sent",
    "beyond-log",
    { ...accepted, accepted: false, rejectedIndex: 99 },
  ],
  ["that acknowledges from outside", "unknown-member", { ...accepted, from: 9 }],
  ["that acknowledges to a follower", "not-leader", { ...accepted, from: 1, to: 2 }],
  ["of an earlier term", "stale-term", { ...accepted, term: 0 }],
  [
    "that answers a round to come",
    "beyond-log",
    { ...toLeader, type: "heartbeat-response", round: 1000 },
  ],
  [
    "that answers a round from outside",
    "unknown-member",
    { ...toLeader, type: "heartbeat-response", from: 9, round: 1 },
  ],
  [
    "that gives a vote nobody asked for",
    "unexpected",
    {
      ...toLeader,
      type: "vote-response",
      isPreVote: false,
      granted: true,
      lastIndex: 0,
      lastTerm: 0,
    },
  ],
  [
    "that asks for a vote while a leader is heard",
    "leader-alive",
    {
      ...toFollower,
      type: "vote-request",
      from: 3,
      term: 2,
      isPreVote: false,
      isTransfer: false,
      lastIndex: 9,
      lastTerm: 1,
    },
  ],
  [
    "that answers a read nobody asked for",
    "unexpected",
    { ...toFollower, type: "read-response", context: 7, index: 1 },
  ],
  [
    "that hands over to a node that lacks entries",
    "unsuitable-transfer",
    { ...toFollower, type: "timeout-now", lastIndex: 9, lastTerm: 1 },
  ],
  [
    "that hands over without leading",
    "unexpected",
    { ...toFollower, type: "timeout-now", from: 3, lastIndex: 4, lastTerm: 1 },
  ],
  [
    "with entries nobody asked for",
    "unexpected",
    {
      ...toFollower,
      type: "fetch-response",
      from: 3,
      prevIndex: 4,
      prevTerm: 1,
      entries: [batchOf(5, 1)],
      lastIndex: 5,
      lastTerm: 1,
      hintIndex: 0,
    },
  ],
  [
    "with a snapshot of a later term",
    "malformed",
    { ...chunk, snapshot: { ...snapshot, term: 2 } },
  ],
  [
    "with a snapshot of no position",
    "malformed",
    { ...chunk, snapshot: { ...snapshot, index: 0 } },
  ],
  [
    "with a snapshot of nobody's state",
    "malformed-configuration",
    {
      ...chunk,
      snapshot: { ...snapshot, configuration: { ...snapshot.configuration, incoming: [] } },
    },
  ],
  [
    "with a piece beyond its snapshot",
    "malformed",
    { ...chunk, offset: 8, data: new Uint8Array(3) },
  ],
  [
    "that has a piece of a snapshot under way to nobody",
    "unexpected",
    { ...toLeader, type: "snapshot-response", index: 9, offset: 0 },
  ],
];

for (const [what, reason, message] of CASES) {
  test(`REL-R23: a message ${what} is dropped: ${reason}`, () => {
    expect(dropReason(settled(), message)).toBe(reason);
  });
}

test("REL-R19: a damaged piece of a snapshot, or one that is not the next, is dropped", () => {
  const stage = settled();
  stage.hand(chunk);
  const data = new Uint8Array(4);

  expect(dropReason(stage, { ...chunk, data, checksum: 1 })).toBe("chunk-checksum");
  const isLate = { ...chunk, offset: 4, data, checksum: simpleChecksum(data) };
  expect(dropReason(stage, isLate)).toBe("chunk-gap");
});

test("REL-R23: messages with one field replaced never break an invariant", () => {
  const values = [
    Number.NaN,
    -1,
    0,
    1,
    1.5,
    5,
    2 ** 31,
    2 ** 52,
    2 ** 53,
    2 ** 60,
    Infinity,
    "x",
    null,
    undefined,
    [],
    {},
  ];
  const random = createRandom(11);
  const originals = [...CASES.map(([, , message]) => message), append, accepted, chunk];
  let stage = settled();
  for (let round = 0; round < 4000; round++) {
    if (round % 200 === 0) stage = settled();
    const original = pick(random, originals);
    const field = pick(random, Object.keys(original));
    const hostile = { ...original, [field]: pick(random, values) } as Message;
    const core = stage.core(hostile.to === 1 ? 1 : 2);
    core.step(hostile);

    expect(findViolation(core.state)).toBeUndefined();
  }
});

test("a call from within an observer is a bug", () => {
  const stage = settled();
  const { core } = stage.node(1);
  const nested = (): void => core.step({ ...accepted });
  const [leader] = [core.state.leading!];
  Object.defineProperty(leader, "transfer", { get: nested });

  expect(() => core.propose(packPayloads([NO_DATA]))).toThrow(AssertionFailure);
  // The state can no longer be trusted.
  expect(() => core.tick()).toThrow(AssertionFailure);
});
