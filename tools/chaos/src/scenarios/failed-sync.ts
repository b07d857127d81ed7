import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { FullDisk } from "../full-disk.ts";
import { isRoot, lackOfProgram } from "../requirements.ts";
import { type Sandbox, run } from "../sandbox.ts";
import {
  type Scenario,
  type ScenarioContext,
  type ScenarioResult,
  skippedBecause,
} from "../scenario.ts";
import { type StoreSettings, drawLife, drawStore } from "../store-settings.ts";
import { type Tally, emptyTally, note } from "../tally.ts";
import { lookAtStore } from "../verify.ts";
import { WriterProcess, askedAfter } from "../writer-process.ts";

const CALLERS = [1, 8, 64];
/** The length that the disk claims to have, far more than there is. */
const CLAIMED_BYTES: number = 256 << 20;
/** Few inodes and a short journal: the less is written at first, the more fails later. */
const MKFS_OPTIONS = ["-q", "-F", "-N", "1024", "-J", "size=4"];
/** A store that overwrites what it has may go on for ever. */
const PATIENCE_MS = 3000;

// REL-W9, W10
/**
 * A disk that takes writes into the system's cache and cannot put them anywhere: ext4 on a device with
 * fewer bytes than it claims (thin provisioning). Syncs fail, and the kernel forgets what it could
 * not write.
 */
export const failedSync: Scenario = {
  name: "failed-sync",
  description: "syncs fail while a process writes; a round is one disk; needs root",
  rounds: 20,
  run: async (context) => {
    const lack = isRoot() ? lackOfProgram("mkfs.ext4", "e2fsprogs") : "loop devices need root";
    if (lack !== undefined) return skippedBecause(lack);
    const tally = emptyTally();
    while (context.wantsMore(tally.rounds)) {
      let disk: ThinDisk;
      try {
        disk = new ThinDisk(context.sandbox, tally.rounds);
      } catch (error) {
        return skippedBecause(String(error));
      }
      await failOneDisk(context, disk, tally);
      tally.rounds++;
      context.progress(`${tally.rounds} disks, ${tally.violations.length} violations`);
    }
    return tally satisfies ScenarioResult;
  },
};

async function failOneDisk(context: ScenarioContext, disk: ThinDisk, tally: Tally): Promise<void> {
  const { random, sandbox, mutants } = context;
  const callers = CALLERS[random.below(CALLERS.length)]!;
  const acknowledged = Array.from({ length: callers }, () => 0);
  const constants = drawStore(random, join(disk.folder, "store"), sandbox.folder);
  const store: StoreSettings = { ...constants, ...drawLife(random) };
  const expected = { acknowledged, asked: askedAfter(acknowledged), hasGaps: true };
  const settings = { store, mutants, expected, chores: [], pauseMs: 0 };
  const writer = WriterProcess.start(settings, { sandbox, mayFail: true });
  await writer.until(() => writer.isWriting);
  await wait(random.below(300));
  disk.fail();
  const begin = performance.now();
  await writer.until(() => performance.now() - begin > PATIENCE_MS);
  await writer.kill();
  tally.acknowledged += writer.ackCount;
  const how = writer.failure === undefined ? "went on" : `failed with ${writer.failure}`;
  note(tally, how);
  const path = join(disk.mendAndMount(), "store");
  const answered = writer.acknowledged;
  const found = await lookAtStore(
    { ...store, path },
    { acknowledged: answered, asked: askedAfter(answered), hasGaps: true },
  );
  const violations = [...writer.violations, ...found];
  tally.violations.push(...violations.map((text) => `disk ${tally.rounds} (${how}): ${text}`));
  disk.remove();
}

/** ext4 on a device whose bytes are taken, one by one, from a small tmpfs. */
class ThinDisk {
  readonly #sandbox: Sandbox;
  readonly #outer: FullDisk;
  readonly #file: string;
  readonly #name: string;
  #mounted: Mounted;

  constructor(sandbox: Sandbox, number: number) {
    this.#sandbox = sandbox;
    this.#name = `thin-${number}`;
    this.#outer = FullDisk.create(sandbox, number);
    this.#file = this.#outer.path("disk.img");
    run("truncate", "--size", String(CLAIMED_BYTES), this.#file);
    run("mkfs.ext4", ...MKFS_OPTIONS, this.#file);
    this.#mounted = this.#mount();
  }

  get folder(): string {
    return this.#mounted.folder;
  }

  /** From now on, what was never written before cannot be. */
  fail(): void {
    this.#outer.takeAllSpace();
  }

  /** Gives the device its bytes back, and mounts it as after a restart of the machine. */
  mendAndMount(): string {
    this.#mounted.takeDown();
    this.#outer.giveAllSpaceBack();
    this.#mounted = this.#mount();
    return this.#mounted.folder;
  }

  remove(): void {
    this.#mounted.takeDown();
    this.#outer.remove();
  }

  #mount(): Mounted {
    const { device, detach } = this.#sandbox.attachLoop(this.#file);
    const { folder, unmount } = this.#sandbox.mount(this.#name, device);
    const takeDown = (): void => {
      unmount();
      detach();
    };
    return { folder, takeDown };
  }
}

interface Mounted {
  readonly folder: string;
  readonly takeDown: () => void;
}
