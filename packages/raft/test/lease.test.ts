import { expect, test } from "vitest";

import { Stage } from "./stage.ts";

test("REL-R12: a lease ends with the time in which no follower would vote", () => {
  const stage = new Stage("nodes=3 lease=10");
  stage.do("tick n2 n3 count=10");
  stage.elect(1);
  for (let at = 0; at < 3; at++) stage.node(1).act((core) => core.tick(1000));
  stage.do("settle");
  const core = stage.core(1);
  // Nine whole ticks of 10 ms, less one in a hundred.
  const endMs = 1000 + 9 * 10 * 0.99;

  expect(core.leaseRead(1000)).toEqual({ term: 1, index: 1 });
  expect(core.leaseRead(endMs - 0.01)).toBeDefined();
  expect(core.leaseRead(endMs)).toBeUndefined();
  expect(core.leaseRead(999)).toBeUndefined(); // a clock that went back tells nothing
  const read = core.leaseRead(1001)!;
  expect(core.confirmsLeaseRead(read, 1002)).toBe(true);
  expect(core.confirmsLeaseRead(read, endMs)).toBe(false);
});

test("REL-R12: after an attempt to pass leadership on, a term has no lease any more", () => {
  const stage = new Stage("nodes=3 lease=10");
  stage.do("tick n2 n3 count=10");
  stage.elect(1);
  stage.do("run count=3");
  expect(stage.core(1).leaseRead(0)).toBeDefined();
  stage.do("transfer n1 to=n2", "drop", "run count=25");

  expect(stage.core(1).role).toBe("leader");
  expect(stage.core(1).leaseRead(0)).toBeUndefined();
});

test("REL-R12: a restarted node gives no vote while an earlier life may have promised a lease", () => {
  const stage = new Stage("nodes=3 lease=10 preVote=off");
  stage.do("campaign n1", "settle");
  expect(stage.core(1).role).toBe("candidate");
  stage.do("tick n2 n3 count=10", "campaign n1", "settle");
  expect(stage.core(1).role).toBe("leader");
});

test("REL-R12: the promise of a lease outlives a change of the term", () => {
  const stage = new Stage("nodes=3 lease=10");
  stage.do("tick n2 n3 count=10");
  stage.elect(1);
  stage.do("run count=3");
  // A late answer to a question of long ago raises the term of n3, and n2 asks for its vote.
  const { lastIndex } = stage.core(2);
  const envelope = { group: 1, from: 2, to: 3, term: 7, lastIndex, lastTerm: 1 } as const;
  stage.hand({ ...envelope, type: "vote-response", isPreVote: true, granted: false });
  expect(stage.core(3).term).toBe(7);
  stage.hand({ ...envelope, type: "vote-request", isPreVote: false, isTransfer: false });

  expect(stage.core(3).state.votedFor).toBe(0);
  stage.do("tick n3 count=9", "drop");
  stage.hand({ ...envelope, type: "vote-request", isPreVote: false, isTransfer: false });
  expect(stage.core(3).state.votedFor).toBe(0);
  stage.do("tick n3 count=1", "drop");
  stage.hand({ ...envelope, type: "vote-request", isPreVote: false, isTransfer: false });
  expect(stage.core(3).state.votedFor).toBe(2);
});

test("REL-R13: after a stall a node waits anew before it campaigns", () => {
  const stage = new Stage("nodes=3");
  stage.elect(1);
  stage.do("run count=3");
  const { core } = stage.node(2);
  const { electionTimeout } = core.state;
  for (let at = 1; at < electionTimeout; at++) core.tick();
  core.stalled();
  core.tick();

  expect(core.role).toBe("follower");
});
