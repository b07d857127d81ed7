import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { BlockHashes } from "../../src/disk/block-hashes.ts";
import { instantContext } from "../../src/disk/disk-faults.ts";
import { SimStorage } from "../../src/disk/sim-storage.ts";

function storageWith(files: Readonly<Record<string, Uint8Array>>): SimStorage {
  const storage = new SimStorage({ random: createRandom(1) });
  for (const [path, bytes] of Object.entries(files)) storage.writeFile(path, bytes);
  return storage;
}

const BYTES = createRandom(2).fill(new Uint8Array(20_000));

test("disks of the same content have the same fingerprint, whatever they share", () => {
  const hashes = new BlockHashes();
  const one = storageWith({ a: BYTES, "d/b": BYTES.subarray(5000) });
  const other = storageWith({ "d/b": BYTES.subarray(5000), a: BYTES });

  expect(one.fingerprint(hashes)).toBe(other.fingerprint(new BlockHashes()));
  expect(one.clone().fingerprint(hashes)).toBe(one.fingerprint(hashes));
});

test("every bit, length and name counts", () => {
  const hashes = new BlockHashes();
  const storage = storageWith({ a: BYTES, b: new Uint8Array(10_000) });
  const seen = new Set([storage.fingerprint(hashes)]);
  const note = (changed: SimStorage): void => void seen.add(changed.fingerprint(hashes));
  for (let bit = 0; bit < BYTES.length * 8; bit += 997) {
    const changed = storage.clone();
    changed.flipBit("a", bit);
    note(changed);
  }
  for (const path of ["a", "b"]) {
    const shorter = storage.clone();
    shorter.truncateFile(path, 9999);
    note(shorter);
    const swapped = storage.clone();
    swapped.swapPages(path, 0, 1);
    note(swapped);
    const removed = storage.clone();
    removed.removeFile(path);
    note(removed);
  }
  note(storageWith({ a: new Uint8Array(10_000), b: BYTES }));
  note(storageWith({ a: BYTES, c: new Uint8Array(10_000) }));

  // Swapping two pages of zeros changes nothing.
  expect(seen.size).toBe(1 + Math.ceil((BYTES.length * 8) / 997) + 5 + 2);
});

test("zeros are zeros, stored or not", async () => {
  const hashes = new BlockHashes();
  const [sparse, stored] = [0, 1].map(() => new SimStorage({ random: createRandom(1) }));
  for (const storage of [sparse!, stored!]) {
    const disk = storage.attach(instantContext());
    const file = await disk.open("file", { create: true });
    if (storage === stored) await file.allocate(0, 50_000);
    else await file.truncate(50_000);
  }

  expect(sparse!.fingerprint(hashes)).toBe(stored!.fingerprint(hashes));
});
