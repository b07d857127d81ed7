import { isKvsError } from "@kvs/env";
import { expect, test } from "vitest";

import { fateOf, filled, makeFile, makeToyDisk } from "./toy-disk.ts";

const MIB = 2 ** 20;

test("a bit may flip in what is read, and stays so", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(100, 0));
  verdicts.set("readAt", { type: "flip-bit" });
  const target = new Uint8Array(100);
  await file.readAt(target, 0);

  const ones = [...target].filter((byte) => byte !== 0);
  expect(ones).toHaveLength(1);
  expect(Math.log2(ones[0]!) % 1).toBe(0);
  expect(storage.worstCase().readFile("file")).toEqual(target);
});

test("closing waits for what is under way and frees the handle", async () => {
  const { disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file");
  verdicts.set("writeAt", { type: "halt" });
  const halted = file.writeAt(filled(1, 1), 0);
  const closing = file.close();

  expect(await fateOf(halted)).toBe("waiting");
  expect(await fateOf(closing)).toBe("waiting");
  expect(file.close()).toBe(closing);
});

test("positions are integers, and ranges go forward", async () => {
  const { disk } = makeToyDisk();
  const file = await makeFile(disk, "file");

  expect(() => file.writeAt(filled(1, 1), 0.5)).toThrow("integer");
  expect(() => file.readAt(filled(1, 1), -1)).toThrow("integer");
  expect(() => file.readAtSync(filled(1, 1), Number.NaN)).toThrow("integer");
  expect(() => file.truncate(2 ** 53)).toThrow("integer");
  expect(() => file.allocate(5, 4)).toThrow("before it starts");
});

test("bytes and syncs are counted", async () => {
  const { storage, disk, calls } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(MIB, 1));
  await file.writeAt(filled(10, 1), 0);
  await file.readAt(new Uint8Array(20), 0);
  await file.datasync();

  expect(storage.stats).toMatchObject({
    calls: calls.length,
    bytesWritten: MIB + 10,
    bytesRead: 20,
    syncs: 3,
  });
  expect(calls.map((call) => call.index)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(calls[2]).toEqual({
    index: 2,
    operation: "writeDurableAt",
    path: "file",
    position: 0,
    bytes: MIB,
  });
});

test("errors of the disk are operating errors", async () => {
  const { disk } = makeToyDisk();
  const error: unknown = await disk.open("missing").catch((thrown: unknown) => thrown);

  expect(isKvsError(error, "DISK_NOT_FOUND") && error.details["path"]).toBe("missing");
});
