import { setTimeout as wait } from "node:timers/promises";
import { FullDisk } from "../full-disk.ts";
import { FullStore } from "../full-store.ts";
import { isRoot } from "../requirements.ts";
import {
  type Scenario,
  type ScenarioContext,
  type ScenarioResult,
  skippedBecause,
} from "../scenario.ts";
import { drawLife, drawStore } from "../store-settings.ts";
import { type Tally, emptyTally, note } from "../tally.ts";
import { type Expected } from "../verify.ts";
import { WriterProcess, askedAfter } from "../writer-process.ts";
import { type Chore } from "../writer-settings.ts";

/** Callers that write, in the parts with a process of its own. */
const CALLERS = 8;
const CHORE_PAUSE_MS = 30;
/** Kills on one full disk. */
const KILLS = 3;

// REL-W11
/**
 * What a full disk may not do to a store, on a small tmpfs. A round takes one disk through all of it:
 *
 * 1. Filled by the store: writes are refused, retryable and without effect; reads, deletes and a
 *    checkpoint go on; so they do when other files take the last byte; closing and opening again, too.
 *    When space returns, writes go on without a reopening.
 * 2. Filled by others while a process writes: it is killed and started on a disk without a free byte.
 *    It recovers; when space returns, it writes on by itself.
 */
export const full: Scenario = {
  name: "full",
  description: "a disk without a free byte; a round is one tmpfs, filled twice; needs root",
  rounds: 3,
  run: async (context) => {
    if (!isRoot()) return skippedBecause("mounting a tmpfs needs root");
    const tally = emptyTally();
    while (context.wantsMore(tally.rounds)) {
      let disk: FullDisk;
      try {
        disk = FullDisk.create(context.sandbox, tally.rounds);
      } catch (error) {
        return skippedBecause(String(error));
      }
      await fillByStore(context, disk, tally);
      await fillByOthers(context, disk, tally);
      disk.remove();
      tally.rounds++;
      context.progress(`${tally.rounds} disks, ${tally.violations.length} violations`);
    }
    return tally satisfies ScenarioResult;
  },
};

/** Runs one step, and notes what it throws as a broken promise. */
async function step(tally: Tally, name: string, body: () => Promise<unknown>): Promise<boolean> {
  try {
    await body();
    return true;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
    tally.violations.push(`disk ${tally.rounds}: ${name}: ${String(error)}; ${cause}`);
    return false;
  }
}

async function fillByStore(context: ScenarioContext, disk: FullDisk, tally: Tally): Promise<void> {
  const { random } = context;
  const settings = {
    ...drawStore(random, disk.path("filled"), context.sandbox.folder),
    ...drawLife(random),
  };
  const store = await FullStore.open(settings, random);
  const run = (name: string, body: () => Promise<unknown>): Promise<boolean> =>
    step(tally, name, body);
  disk.addBallast();
  await run("writing until the disk is full", () => store.fill());
  await run("reading on a full disk", () => store.verify());
  await run("deleting on a full disk", () => store.deleteSome());
  await run("a checkpoint on a full disk", () => store.checkpoint());
  await run("writing again until the disk is full", () => store.fill());
  disk.takeAllSpace();
  await run("deleting without a free byte", () => store.deleteSome());
  await run("a checkpoint without a free byte", () => store.checkpoint());
  await run("reading without a free byte", () => store.verify());
  const isOpen =
    (await run("closing without a free byte", () => store.close())) &&
    (await run("opening without a free byte", () => store.reopen()));
  if (isOpen) {
    await run("reading after opening without a free byte", () => store.verify());
    await run("deleting after opening without a free byte", () => store.deleteSome());
  } else {
    disk.giveAllSpaceBack();
    await run("opening after space returned", () => store.reopen());
  }
  disk.giveAllSpaceBack();
  await run("writing after space returned", () => store.writeAgain());
  await run("the check", () => store.check());
  await run("closing", () => store.close());
  tally.acknowledged += store.acknowledged;
  for (const [refusal, count] of store.refusals) note(tally, refusal, count);
}

async function fillByOthers(context: ScenarioContext, disk: FullDisk, tally: Tally): Promise<void> {
  const { random, sandbox, mutants } = context;
  const store = { ...drawStore(random, disk.path("killed"), sandbox.folder), ...drawLife(random) };
  let acknowledged: readonly number[] = Array.from({ length: CALLERS }, () => 0);
  const start = (): WriterProcess => {
    const expected: Expected = { acknowledged, asked: askedAfter(acknowledged), hasGaps: true };
    const chores: readonly Chore[] = random.chance(0.5) ? ["checkpoint"] : [];
    const settings = { store, mutants, expected, chores, pauseMs: CHORE_PAUSE_MS };
    return WriterProcess.start(settings, { sandbox });
  };
  const end = async (writer: WriterProcess): Promise<void> => {
    await writer.kill();
    acknowledged = [...writer.acknowledged];
    tally.acknowledged += writer.ackCount;
    const violations = writer.violations.map((text) => `disk ${tally.rounds}: killed: ${text}`);
    tally.violations.push(...violations);
    for (const [code, count] of writer.refusals) note(tally, `refused with ${code}`, count);
  };
  const first = start();
  await first.until(() => first.isWriting);
  await wait(random.below(300));
  disk.takeAllSpace();
  await first.until(() => first.refusals.size > 0);
  await end(first);
  for (let kills = 0; kills < KILLS; kills++) {
    const writer = start();
    await writer.until(() => writer.isWriting);
    await wait(random.below(100));
    note(tally, `killed without a free byte while ${writer.phase}`);
    await end(writer);
  }
  const last = start();
  await last.until(() => last.isWriting);
  disk.giveAllSpaceBack();
  const before = last.ackCount;
  await last.until(() => last.ackCount > before + 10 * CALLERS);
  if (!last.hasEnded && last.ackCount <= before + 10 * CALLERS) {
    tally.violations.push(`disk ${tally.rounds}: killed: no writes after space returned`);
  }
  await end(last);
}
