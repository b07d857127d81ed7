import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";

import { type Wal } from "../src/index.ts";
import { newStorage, openWal, payloadOf, walError } from "./fixture.ts";

async function filled(hooks?: { hasMutant: (name: string) => boolean }): Promise<Wal> {
  const world = hooks === undefined ? {} : { hooks };
  const wal = await openWal(newStorage(), { segmentBytes: 1024, spareSegments: 0 }, world);
  for (let index = 0; index < 9; index++) wal.append(1, payloadOf(index, 448));
  await wal.sync();
  return wal;
}

async function truncateTo(wal: Wal): Promise<number> {
  await wal.truncateBefore();
  return wal.headPosition;
}

async function shared(hooks?: { hasMutant: (name: string) => boolean }): Promise<number[]> {
  const wal = await filled(hooks);
  const heads: number[] = [];
  const one = wal.retain("group 1");
  const two = wal.retain("group 2", 1500);
  heads.push(await truncateTo(wal));
  one.position = 3000;
  heads.push(await truncateTo(wal));
  two.position = 2100;
  heads.push(await truncateTo(wal));
  two.release();
  heads.push(await truncateTo(wal));
  one.release();
  heads.push(await truncateTo(wal));
  await wal.close();
  return heads;
}

test("a shared log keeps what any of its users needs", async () => {
  expect(await shared()).toEqual([0, 1024, 2048, 2048, 4096]);
});

test("a log that does not ask its users loses what they need (wal.ignore-retention)", async () => {
  const heads = await shared({ hasMutant: (name) => name === "wal.ignore-retention" });
  expect(heads[0]).toBe(4096);
});

test("a claim has a name of its own, moves forward, and lies within the log", async () => {
  const wal = await filled();
  const claim = wal.retain("one", 500);
  expect(claim.name).toBe("one");
  expect(() => wal.retain("one")).toThrow(AssertionFailure);
  expect(() => {
    claim.position = 400;
  }).toThrow(AssertionFailure);
  expect(() => {
    claim.position = 600.5;
  }).toThrow(AssertionFailure);
  claim.position = 3000;
  expect(claim.position).toBe(3000);
  await wal.truncateBefore();
  expect(() => wal.retain("two", 100)).toThrow(walErrorObject("WAL_TRUNCATED"));
  await wal.close();
});

function walErrorObject(code: string): Error {
  return walError(code) as Error;
}
