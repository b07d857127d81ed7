import { pick, type Random } from "@kvs/env";

import { type RaftSettings } from "../src/core/raft-options.ts";

/** What may happen to a random cluster besides messages, ticks and syncs. */
export type Action =
  | "propose"
  | "read"
  | "crash"
  | "damage"
  | "restart"
  | "slow"
  | "fast"
  | "partition"
  | "isolate"
  | "heal"
  | "campaign"
  | "change"
  | "transfer"
  | "snapshot"
  | "compact"
  | "checkpoint"
  | "stalled"
  | "lost";

/** Faults of this seed; what always happens is in it several times. */
export function drawActions(random: Random): readonly Action[] {
  const optional: readonly Action[][] = [
    ["crash", "restart", "restart"],
    ["slow", "fast"],
    ["damage", "restart"],
    ["partition", "heal"],
    ["isolate", "isolate", "heal"],
    ["campaign", "campaign"],
    ["change"],
    ["transfer"],
    ["snapshot", "compact"],
    ["stalled"],
    ["lost"],
  ];
  const chosen = optional.filter(() => random.chance(0.5)).flat();
  return [...Array<Action>(8).fill("propose"), "read", "read", "checkpoint", ...chosen];
}

/** Small limits, so that they are met. */
export function drawSettings(random: Random): Partial<RaftSettings> {
  return {
    electionTicksMin: 10,
    electionTicksMax: 20,
    heartbeatTicks: pick(random, [1, 3, 5]),
    preVote: random.chance(0.85),
    checkQuorum: random.chance(0.85),
    messageMaxBytes: pick(random, [1, 40, 1000]),
    inflightMessagesMax: pick(random, [1, 2, 8]),
    applyMaxBytes: pick(random, [1, 1000]),
    cacheMaxBytes: pick(random, [0, 100, 10_000]),
    snapshotChunkBytes: pick(random, [7, 16, 100]),
    snapshotRetryTicks: pick(random, [5, 10]),
    diskStallTicks: pick(random, [15, 1000]),
    quietAfterTicks: pick(random, [0, 0, 6]),
  };
}
