import { allowedKinds } from "@kvs/sim";
import { type Scenario } from "../scenario.ts";
import { RaftRun } from "./raft/raft-run.ts";

/** Whole clusters of the Raft driver, with logs on disks, under every fault there is. */
export const raftScenario: Scenario = {
  name: "raft",
  description: "clusters of one to seven voters change, crash and recover; every invariant of Raft",
  // Those that seeds find soon; `packages/raft/test` has a test for each of the others.
  mutants: [
    "raft.driver.send-before-persist",
    "raft.driver.report-before-sync",
    "raft.driver.apply-twice",
    "raft.driver.read-before-apply",
    "raft.driver.compact-before-save",
    "raft.log.skip-cut",
    "raft.log.ack-before-sync",
    "raft.ack-before-persist",
    "raft.truncate-on-match",
    "raft.term-goes-down",
    "raft.vote-twice",
    "raft.prevote-counts-as-vote",
    "raft.duplicate-vote-counts",
    "raft.read-before-own-term",
    "raft.change-before-own-term",
    "raft.learner-counts",
  ],
  faultKinds: [...allowedKinds({ canBreakConnections: true }), "disk.lost"],
  run: (seed, options) => new RaftRun(seed, options).run(),
};
