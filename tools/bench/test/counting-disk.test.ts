import { MemoryDisk } from "@kvs/env";
import { expect, test } from "vitest";
import { WriteCounter, countingDisk } from "../src/engine/counting-disk.ts";

test("writes count in the blocks that they touch, and are done all the same", async () => {
  const counter = new WriteCounter();
  const disk = countingDisk(new MemoryDisk(), counter);
  const file = await disk.open("file", { create: true });

  await file.allocate(0, 8192);
  expect(counter.bytes).toBe(8192);
  await file.writeDurableAt(new Uint8Array(2).fill(7), 4095);
  expect(counter.bytes).toBe(8192 + 8192);
  await file.writeAt(new Uint8Array(4096), 0);
  expect(counter.bytes).toBe(8192 + 8192 + 4096);

  const read = new Uint8Array(1);
  await file.readAt(read, 4096);
  expect([...read]).toEqual([7]);
  expect(await file.size()).toBe(8192);
  await file.close();
  expect(await disk.list("")).toEqual(["file"]);
});
