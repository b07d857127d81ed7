import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { type MembershipOperation } from "../src/core/configuration.ts";
import { packPayloads } from "../src/core/entry.ts";
import { RaftCore } from "../src/core/raft-core.ts";
import { type RaftErrorCode } from "../src/core/raft-error.ts";
import { type RaftOptions } from "../src/core/raft-options.ts";
import { MemoryLogStore } from "../src/memory-log-store.ts";
import { simpleChecksum } from "./image.ts";
import { Stage } from "./stage.ts";

function refusal(code: RaftErrorCode, retryable: boolean): unknown {
  return expect.objectContaining({ code, retryable, outcome: "none" });
}

function ledByOne(settings = ""): Stage {
  const stage = new Stage(`nodes=3 ${settings}`);
  stage.elect(1);
  stage.do("run count=3");
  return stage;
}

const command = packPayloads([Uint8Array.of(1)]);
const remove = (...nodes: readonly number[]): MembershipOperation[] =>
  nodes.map((node) => ({ type: "remove", node }));

test("REL-R22: a follower refuses proposals, and names the leader", () => {
  const stage = ledByOne();

  expect(() => stage.core(2).propose(command)).toThrow(
    expect.objectContaining({ code: "RAFT_NOT_LEADER", details: { leader: 1 } }),
  );
  expect(() => stage.core(2).changeMembership(remove(3))).toThrow(refusal("RAFT_NOT_LEADER", true));
  expect(() => stage.core(2).transferLeadership(3)).toThrow(refusal("RAFT_NOT_LEADER", true));
});

test("reads without a leader are refused", () => {
  const stage = new Stage("nodes=3");

  expect(() => stage.core(1).readIndex()).toThrow(refusal("RAFT_NOT_LEADER", true));
});

test("REL-R14: a second change waits for the first", () => {
  const stage = ledByOne();
  stage.core(1).changeMembership(remove(3));

  expect(() => stage.core(1).changeMembership(remove(2))).toThrow(
    refusal("RAFT_CHANGE_PENDING", true),
  );
});

test("the last voter is not removed", () => {
  const stage = ledByOne();

  expect(() => stage.core(1).changeMembership(remove(1, 2, 3))).toThrow(
    refusal("RAFT_INVALID_CHANGE", false),
  );
});

test("REL-R15: even on request, no majority of voters lags", () => {
  const stage = ledByOne();
  const add: MembershipOperation[] = [4, 5, 6].map((node) => ({ type: "add-voter", node }));

  expect(() => stage.core(1).changeMembership(add.slice(0, 1))).toThrow(
    refusal("RAFT_LEARNER_BEHIND", true),
  );
  expect(() => stage.core(1).changeMembership(add, { allowLagging: true })).toThrow(
    refusal("RAFT_LEARNER_BEHIND", true),
  );
  expect(stage.core(1).changeMembership(add.slice(0, 1), { allowLagging: true })).toBe(2);
});

test("leadership passes to voters with data only", () => {
  const stage = new Stage("nodes=4 learners=(n4) witnesses=(n3)");
  stage.elect(1);

  for (const target of [1, 3, 4, 9]) {
    expect(() => stage.core(1).transferLeadership(target)).toThrow(
      refusal("RAFT_INVALID_TRANSFER", false),
    );
  }
});

test("while leadership passes on, proposals and changes wait", () => {
  const stage = ledByOne();
  stage.do("propose n1 a", "drop");
  stage.core(1).transferLeadership(2);

  expect(() => stage.core(1).propose(command)).toThrow(refusal("RAFT_TRANSFERRING", true));
  expect(() => stage.core(1).changeMembership(remove(3))).toThrow(
    refusal("RAFT_TRANSFERRING", true),
  );
});

test("proposals are bounded, one and all together", () => {
  const stage = ledByOne("proposalMaxBytes=20 uncommittedMaxBytes=45");
  const core = stage.core(1);
  const large = packPayloads([new Uint8Array(12)]);

  expect(() => core.propose(packPayloads([new Uint8Array(13)]))).toThrow(
    refusal("RAFT_BATCH_TOO_LARGE", false),
  );
  expect(() => core.propose(packPayloads([]))).toThrow(refusal("RAFT_BATCH_TOO_LARGE", false));
  core.propose(large);
  core.propose(large);
  expect(() => core.propose(large)).toThrow(refusal("RAFT_OVERLOADED", true));
  // What is committed counts no more.
  stage.node(1).pump();
  stage.do("settle");
  expect(core.propose(large)).toEqual({ firstIndex: 4, lastIndex: 4, term: 1 });
});

test("settings that contradict each other are refused", () => {
  const store = new MemoryLogStore({ incoming: [1] });
  const base: RaftOptions = {
    self: 1,
    group: 1,
    image: store.image(),
    reader: store,
    random: createRandom(1),
    checksum: simpleChecksum,
  };
  const point = { index: 5, term: 3, configuration: store.image().base.configuration };
  const wrong: Partial<RaftOptions>[] = [
    { self: 0 },
    { group: 0.5 },
    { settings: { electionTicksMin: 5, heartbeatTicks: 3 } },
    { settings: { electionTicksMax: 15 } },
    { settings: { electionTicksMin: 15.5 } },
    { settings: { quietAfterTicks: 2 } },
    { settings: { messageMaxBytes: 0 } },
    { settings: { cacheMaxBytes: -1 } },
    { settings: { checkQuorum: false, lease: { tickMs: 10, driftBound: 0 } } },
    { settings: { lease: { tickMs: 0, driftBound: 0 } } },
    { settings: { lease: { tickMs: 10, driftBound: 1 } } },
    { image: { ...base.image, lastIndex: -1 } },
    { image: { ...base.image, base: point }, appliedPoint: { ...point, index: 4 } },
    { appliedPoint: point }, // of a term that the hard state does not know
    { image: new MemoryLogStore({ incoming: [1], learners: [1] }).image() },
  ];

  expect(new RaftCore(base).role).toBe("follower");
  for (const each of wrong) {
    expect(() => new RaftCore({ ...base, ...each })).toThrow(
      refusal("RAFT_INVALID_OPTIONS", false),
    );
  }
});
