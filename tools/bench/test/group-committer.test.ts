import { createRandom } from "@kvs/env";
import { SimStorage, instantContext } from "@kvs/sim";
import { expect, test } from "vitest";
import { GroupCommitter } from "../src/group-committer.ts";

const FILE_BYTES = 2 << 20;

async function openFile(failsNext: () => boolean = () => false): Promise<{
  storage: SimStorage;
  committer: GroupCommitter;
  calls: string[];
}> {
  const storage = new SimStorage({ random: createRandom(1) });
  const calls: string[] = [];
  const disk = storage.attach(
    instantContext(createRandom(2), {
      onCall: ({ operation }) => {
        calls.push(operation);
        const isFailing = operation === "writeDurableAt" && failsNext();
        return isFailing ? { type: "error", code: "DISK_FULL" } : undefined;
      },
    }),
  );
  const file = await disk.open("log", { create: true });
  await file.allocate(0, FILE_BYTES);
  await disk.syncDirectory(".");
  return { storage, committer: new GroupCommitter(file, FILE_BYTES), calls };
}

function recordOf(value: number): Uint8Array {
  return new Uint8Array(100).fill(value);
}

test("records of one turn share a write, and all are stored in their order", async () => {
  const { storage, committer, calls } = await openFile();

  await Promise.all([1, 2, 3].map((value) => committer.write(recordOf(value))));

  expect(calls.filter((call) => call === "writeDurableAt")).toHaveLength(1);
  const stored = storage.worstCase().readFile("log");
  expect([stored[0], stored[100], stored[200], stored[300]]).toEqual([1, 2, 3, 0]);
});

test("records that come during a write go with the next one", async () => {
  const { committer, calls } = await openFile();

  const first = committer.write(recordOf(1));
  await Promise.resolve();
  await Promise.all([first, committer.write(recordOf(2)), committer.write(recordOf(3))]);

  expect(calls.filter((call) => call === "writeDurableAt")).toHaveLength(2);
});

test("the file is overwritten from its beginning when it is full", async () => {
  const { storage, committer } = await openFile();
  const large = new Uint8Array(1 << 19).fill(7);

  for (let count = 0; count < 5; count++) await committer.write(large.map(() => count + 1));

  const stored = storage.worstCase().readFile("log");
  expect(stored).toHaveLength(FILE_BYTES);
  expect([stored[0], stored[1 << 19]]).toEqual([5, 2]);
});

test("a failed write fails its records, and the next ones go on", async () => {
  let failures = 1;
  const { committer } = await openFile(() => failures-- > 0);

  await expect(committer.write(recordOf(1))).rejects.toMatchObject({ code: "DISK_FULL" });
  await expect(committer.write(recordOf(2))).resolves.toBeUndefined();
});
