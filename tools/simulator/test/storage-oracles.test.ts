import { createRandom } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";
import { AcknowledgementOracle } from "../src/scenarios/storage/acknowledgement-oracle.ts";
import { type CrashSubject } from "../src/scenarios/storage/crash-explorer.ts";
import { DiskOracle } from "../src/scenarios/storage/disk-oracle.ts";
import { LONG_SCRIPT } from "../src/scenarios/storage/long-script.ts";
import { MAIN } from "../src/scenarios/storage/modelled-store.ts";
import { SHORT_SCRIPT } from "../src/scenarios/storage/short-script.ts";
import { StoreModel } from "../src/scenarios/storage/store-model.ts";

/** Lives a script with both oracles looking on. */
async function watch(
  subject: CrashSubject,
  mutants: readonly string[],
): Promise<{ answers: readonly string[]; disk: readonly string[]; pages: number }> {
  const storage = new SimStorage({ random: createRandom(1) });
  const model = new StoreModel(MAIN);
  const world = new InstantWorld(storage, { answers: "in-turn", mutants });
  const answers = new AcknowledgementOracle(model, subject.store, mutants);
  const disk = new DiskOracle({
    storage: () => storage,
    pagesPath: "store/pages.kvs",
    logPath: "store/log",
  });
  await world.run((environment) =>
    subject.run(disk.watch(environment), model, { onAcknowledged: () => answers.note(storage) }),
  );
  return {
    answers: await answers.violations(),
    disk: await disk.violations(),
    pages: disk.pagesWritten,
  };
}

test("REL-W16: at each answer the worst power cut leaves what was answered", async () => {
  for (const subject of [SHORT_SCRIPT, LONG_SCRIPT]) {
    const { answers } = await watch(subject, []);
    expect(answers).toEqual([]);
  }
});

test("an answer before the sync is caught at once (wal.skip-datasync)", async () => {
  const { answers } = await watch(SHORT_SCRIPT, ["wal.skip-datasync"]);

  expect(answers[0]).toMatch(/batch 1 is answered and not durable/);
});

test("REL-W15: no page is written before its log, nor changes while it is written", async () => {
  const { disk, pages } = await watch(LONG_SCRIPT, []);

  expect(disk).toEqual([]);
  expect(pages).toBeGreaterThan(200);
});

test("a page that overtakes its log is caught (pager.skip-wal-rule)", async () => {
  const { disk } = await watch(LONG_SCRIPT, ["pager.skip-wal-rule"]);

  expect(disk[0]).toMatch(/^page \d+ was written with LSN \d+, but the log is durable up to/);
});

test("a live frame on its way to the disk is caught (pager.write-live-frame)", async () => {
  const { disk } = await watch(LONG_SCRIPT, ["pager.write-live-frame"]);

  expect(disk.join("\n")).toMatch(/bytes changed while they were written/);
});
