import { allowedKinds } from "@kvs/sim";
import {
  CRASH_IMAGES,
  CRASH_POINTS,
  CRASH_POINTS_IN_RECOVERY,
  type Scenario,
} from "../scenario.ts";
import { FLOOD_FAULT } from "./storage/disk-space.ts";
import { StorageRun } from "./storage/storage-run.ts";

/**
 * The storage engine under test: one store that is written, read, crashed, recovered and damaged, and
 * compared with a model at every step.
 */
export const storageScenario: Scenario = {
  name: "storage",
  description: "one store with a model beside it, under crashes, disk faults and damage",
  // The engine has more: docs/testing.md says which test finds each.
  mutants: [
    "wal.skip-datasync",
    "wal.skip-directory-sync",
    "wal.ignore-epoch",
    "pager.skip-wal-rule",
    "pager.ignore-checksum",
    "pager.write-live-frame",
    "pager.double-allocate",
    "pager.evict-dirty",
    "pager.skip-header-sync",
    "txn.ack-before-durable",
    "txn.skip-page-images",
    "txn.commit-before-mini",
    "txn.checkpoint-skips-page",
    "txn.truncate-log-early",
    "txn.skip-undo",
    "txn.skip-compensation",
    "txn.free-before-commit",
    "txn.prune-tombstone-early",
    "txn.copy-skips-log",
    "txn.keyring-no-sync",
  ],
  faultKinds: [
    ...allowedKinds({ canCrashAll: false }).filter((kind) => !kind.startsWith("network.")),
    CRASH_POINTS,
    CRASH_POINTS_IN_RECOVERY,
    CRASH_IMAGES,
    FLOOD_FAULT,
  ],
  run: (seed, options) => new StorageRun(seed, options).run(),
};
