import { createNodeEnvironment } from "@kvs/node";
import { mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { Wal, checkWal } from "../src/index.ts";
import { payloadOf, readAll, walError } from "./fixture.ts";

let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kvs-wal-"));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

test("a log lives on the real disk: groups, segments, cuts, truncation, reopening", async () => {
  const environment = createNodeEnvironment({ root });
  const options = { path: "deep/log", segmentBytes: 16_384, startPosition: 2 ** 32 - 20_000 };
  const wal = await Wal.open(environment, options);
  const append = async (caller: number): Promise<void> => {
    for (let index = 0; index < 50; index++) {
      await wal.sync(wal.append(1 + caller, payloadOf(index, 50 + 13 * caller)));
    }
  };
  await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(append));
  expect(wal.stats().groupCount).toBeLessThan(8 * 50);
  const all = await readAll(wal);
  expect(all).toHaveLength(8 * 50);
  await wal.truncateAfter(all[299]!.lsn);
  await wal.truncateBefore(all[200]!.start);
  wal.append(99, payloadOf(0, 40_000));
  await wal.close();

  const again = await Wal.open(environment, { ...options, readFrom: all[200]!.start });
  const kept = await readAll(again, all[200]!.start);
  expect(kept.slice(0, -1)).toEqual(all.slice(200, 300));
  expect(kept.at(-1)).toMatchObject({ kind: 99, payload: payloadOf(0, 40_000) });
  const { endLsn } = again;
  await again.close();
  const check = await checkWal(environment, "deep/log");
  expect(check).toMatchObject({ state: "clean", endLsn });
});

test("a shortened segment on the real disk is damage", async () => {
  const environment = createNodeEnvironment({ root });
  const wal = await Wal.open(environment, { path: "log", segmentBytes: 4096 });
  wal.append(1, payloadOf(1, 2000));
  await wal.close();
  await truncate(join(root, "log", "00000000000000000000.wal"), 1000);

  await expect(Wal.open(environment, { path: "log" })).rejects.toEqual(walError("WAL_DAMAGED"));
});
