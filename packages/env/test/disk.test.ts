import { expect, test } from "vitest";
import { type File, readFullyAt, readFullyAtSync, writeFullyAt } from "../src/disk.ts";

/** A file that moves at most `step` bytes a call, as the contract allows. */
function slowFile(step: number, content: number[]): File {
  const read = (target: Uint8Array, position: number): number => {
    const count = Math.max(0, Math.min(step, target.length, content.length - position));
    for (let at = 0; at < count; at++) target[at] = content[position + at]!;
    return count;
  };
  const unused = (): never => {
    throw new Error("not part of these tests");
  };
  return {
    path: "slow",
    readAt: (target, position) => Promise.resolve(read(target, position)),
    readAtSync: read,
    writeAt: (source, position) => {
      const count = Math.min(step, source.length);
      for (let at = 0; at < count; at++) content[position + at] = source[at]!;
      return Promise.resolve(count);
    },
    size: unused,
    writeDurableAt: unused,
    datasync: unused,
    truncate: unused,
    allocate: unused,
    close: unused,
  };
}

const numbers = Array.from({ length: 20 }, (_, at) => at);

test.each([1, 3, 7, 100])("reads in steps of %i are joined, up to the end", async (step) => {
  const file = slowFile(step, [...numbers]);
  for (const read of [readFullyAt, readFullyAtSync]) {
    const target = new Uint8Array(10).fill(255);
    expect(await read(file, target, 5)).toBe(10);
    expect([...target]).toEqual(numbers.slice(5, 15));

    const past = new Uint8Array(10).fill(255);
    expect(await read(file, past, 16)).toBe(4);
    expect([...past]).toEqual([16, 17, 18, 19, 255, 255, 255, 255, 255, 255]);

    expect(await read(file, past, 20)).toBe(0);
    expect(await read(file, new Uint8Array(0), 0)).toBe(0);
  }
});

test.each([1, 3, 7, 100])("writes in steps of %i are joined", async (step) => {
  const content = Array.from({ length: 20 }, () => 99);
  const expected = content.slice();
  expected.splice(4, 10, ...numbers.slice(0, 10));
  await writeFullyAt(slowFile(step, content), new Uint8Array(numbers.slice(0, 10)), 4);
  expect(content).toEqual(expected);
  await writeFullyAt(slowFile(step, content), new Uint8Array(0), 0);
});

test("an error in the middle is passed on", async () => {
  const file: File = {
    ...slowFile(1, []),
    writeAt: (_source, position) =>
      position === 2 ? Promise.reject(new Error("full")) : Promise.resolve(1),
  };
  await expect(writeFullyAt(file, new Uint8Array(5), 0)).rejects.toThrow("full");
});
