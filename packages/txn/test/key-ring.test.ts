import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, createRandom } from "@kvs/env";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { KeyRing, type KeyRingOptions, keyRingPath, listKeys } from "../src/key-ring.ts";
import { decodeRing, encodeRing } from "../src/key-ring-format.ts";
import { codeIs, newStorage } from "./fixture.ts";
import { testProvider } from "./test-keys.ts";

const OPTIONS: KeyRingOptions = {
  directory: "store",
  provider: testProvider(),
  storeId: [0x01020304, 0x05060708],
};

async function inProcess<T>(
  storage: SimStorage,
  body: (environment: Environment) => Promise<T>,
  options: { mutants?: readonly string[] } = {},
): Promise<T> {
  const world = new InstantWorld(storage, options);
  try {
    return await world.run(async (environment) => {
      await environment.disk.makeDirectory("store");
      await environment.disk.syncDirectory(".");
      return body(environment);
    });
  } finally {
    storage.processDied(world.environment.disk);
  }
}

async function ringFile(environment: Environment): Promise<Uint8Array> {
  const file = await environment.disk.open(keyRingPath("store"));
  const bytes = new Uint8Array(await file.size());
  await file.readAt(bytes, 0);
  await file.close();
  return bytes;
}

/** What a key does to a text, which tells it from every other key. */
function sealedText(ring: KeyRing, keyId: number): string {
  const plain = new Uint8Array(16);
  const sealed = new Uint8Array(16);
  const nonce = new Uint8Array(12);
  const message = { nonce, tag: new Uint8Array(16), associated: plain };
  ring.cipherOf(keyId)!.seal(message, plain, sealed);
  return sealed.join(" ");
}

test("a ring opens with the keys that it was made with, after every power cut", async () => {
  const storage = newStorage();
  const before = await inProcess(storage, async (environment) => {
    const ring = await KeyRing.create(environment, OPTIONS);
    expect([ring.currentId, await ring.addKey(), ring.currentId]).toEqual([1, 2, 2]);
    return [sealedText(ring, 1), sealedText(ring, 2)];
  });

  await inProcess(storage.worstCase(), async (environment) => {
    const ring = (await KeyRing.open(environment, OPTIONS))!;
    expect(ring.currentId).toBe(2);
    expect([sealedText(ring, 1), sealedText(ring, 2)]).toEqual(before);
    expect(ring.cipherOf(3)).toBeUndefined();
  });
});

test("txn.keyring-no-sync: a key that is in use survives a power cut", async () => {
  const storage = newStorage();
  await inProcess(storage, async (environment) => {
    const ring = await KeyRing.create(environment, OPTIONS);
    await ring.addKey();
    expect(ring.currentId).toBe(2);
  });
  const isKept = await inProcess(storage.worstCase(), async (environment) => {
    const ring = await KeyRing.open(environment, OPTIONS).catch(() => undefined);
    return ring?.currentId === 2;
  });
  expect(isKept).toBe(true);

  const other = newStorage();
  await inProcess(
    other,
    async (environment) => {
      const ring = await KeyRing.create(environment, OPTIONS);
      await ring.addKey();
    },
    { mutants: ["txn.keyring-no-sync"] },
  );
  const isLost = await inProcess(other.worstCase(), async (environment) => {
    const ring = await KeyRing.open(environment, OPTIONS).catch(() => undefined);
    return ring?.currentId !== 2;
  });
  expect(isLost).toBe(true);
});

test("a crash at any moment of a change leaves the old ring or the new one", async () => {
  const storage = newStorage();
  await inProcess(storage, (environment) => KeyRing.create(environment, OPTIONS));
  const images: SimStorage[] = [];
  const onCall = (): undefined => {
    for (const mode of ["keep-all", "worst-case", "subset"] as const) {
      images.push(storage.sampleCrashImage(createRandom(images.length), mode));
    }
  };
  const world = new InstantWorld(storage, { disk: { onCall } });
  await world.run(async (environment) => {
    const ring = (await KeyRing.open(environment, OPTIONS))!;
    await ring.addKey();
    await ring.destroy([1]);
  });

  const found = new Set<number>();
  for (const image of images) {
    await inProcess(image, async (environment) => {
      const ring = (await KeyRing.open(environment, OPTIONS))!;
      found.add(ring.currentId);
      expect(ring.cipherOf(ring.currentId)).toBeDefined();
    });
  }
  expect([...found].toSorted((one, other) => one - other)).toEqual([1, 2]);
});

test("a destroyed key is gone from the file, and its number is not used again", async () => {
  await inProcess(newStorage(), async (environment) => {
    const ring = await KeyRing.create(environment, OPTIONS);
    await ring.addKey();
    expect([ring.idsIn("retired"), ring.isAllSealed]).toEqual([[1], false]);
    await ring.markRewritten([1]);
    expect([ring.idsIn("rewritten"), ring.isAllSealed]).toEqual([[1], true]);
    await ring.destroy([]);
    await ring.destroy([1]);

    const again = (await KeyRing.open(environment, OPTIONS))!;
    expect(again.cipherOf(1)).toBeUndefined();
    expect(again.keys().map(({ id, state, masterKeyName }) => [id, state, masterKeyName])).toEqual([
      [1, "destroyed", ""],
      [2, "current", "first"],
    ]);
    expect(await again.addKey()).toBe(3);
    expect(decodeRing(await ringFile(environment), "keys").content.entries[0]!.wrapped).toBe(
      undefined,
    );
    expect(await listKeys(environment, "store")).toEqual(again.keys());
  });
});

test("wrapping anew needs the old master key once, and from then on only the new one", async () => {
  await inProcess(newStorage(), async (environment) => {
    const first = await KeyRing.create(environment, OPTIONS);
    await first.addKey();
    await first.destroy([1]);
    const text = sealedText(first, 2);
    const both = { ...OPTIONS, provider: testProvider({ first: 1, second: 2 }) };
    const ring = (await KeyRing.open(environment, both))!;
    expect(await ring.rewrap()).toBe(1);

    const second = { ...OPTIONS, provider: testProvider({ second: 2 }) };
    expect(sealedText((await KeyRing.open(environment, second))!, 2)).toBe(text);
    const old = KeyRing.open(environment, OPTIONS);
    await expect(old).rejects.toThrow(codeIs("KEY_UNKNOWN_MASTER"));
  });
});

test("the wrong master key is refused, and nothing changes", async () => {
  await inProcess(newStorage(), async (environment) => {
    await KeyRing.create(environment, OPTIONS);
    const before = await ringFile(environment);
    const wrong = { ...OPTIONS, provider: testProvider({ first: 2 }) };

    await expect(KeyRing.open(environment, wrong)).rejects.toThrow(codeIs("KEY_REFUSED"));

    expect(await ringFile(environment)).toEqual(before);
  });
});

test("damage anywhere in the file is told, and so is a ring of another store", async () => {
  await inProcess(newStorage(), async (environment) => {
    await KeyRing.create(environment, OPTIONS);
    const bytes = await ringFile(environment);
    const isDamaged = codeIs("TXN_DAMAGED_KEYS");
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.with(at, bytes[at]! ^ 1);
      expect(() => decodeRing(changed, "keys")).toThrow(isDamaged);
      expect(() => decodeRing(bytes.subarray(0, at), "keys")).toThrow(isDamaged);
    }
    const other = KeyRing.open(environment, { ...OPTIONS, storeId: [1, 2] });
    await expect(other).rejects.toThrow(isDamaged);
  });
});

test("a ring that somebody changed without its keys is refused", async () => {
  await inProcess(newStorage(), async (environment) => {
    const ring = await KeyRing.create(environment, OPTIONS);
    const { content, seal } = decodeRing(ring.encode(), "keys");
    const forged = encodeRing({ ...content, nextId: 9 }, ({ nonce, tag }) => {
      nonce.set(seal.nonce);
      tag.set(seal.tag);
    });
    const file = await environment.disk.open(keyRingPath("store"));
    await file.writeAt(forged, 0);
    await file.close();

    const opened = KeyRing.open(environment, OPTIONS);

    await expect(opened).rejects.toThrow(codeIs("TXN_DAMAGED_KEYS"));
  });
});

test("entries that make no sense are damage, and another version is told as such", async () => {
  await inProcess(newStorage(), async (environment) => {
    const ring = await KeyRing.create(environment, OPTIONS);
    await ring.addKey();
    const { content } = decodeRing(ring.encode(), "keys");
    const [one, two] = content.entries;
    const seal = (): void => undefined;
    for (const entries of [[], [one!], [two!, one!], [two!, two!], [{ ...two!, id: 9 }]]) {
      const bytes = encodeRing({ ...content, entries }, seal);
      expect(() => decodeRing(bytes, "keys")).toThrow(codeIs("TXN_DAMAGED_KEYS"));
    }
    const file = await environment.disk.open(keyRingPath("store"));
    await file.truncate(2 << 20);
    await file.close();
    await expect(listKeys(environment, "store")).rejects.toThrow("too long");
  });
});

test("there is a bound to the keys that something may need, and to those remembered", async () => {
  await inProcess(newStorage(), async (environment) => {
    const ring = await KeyRing.create(environment, OPTIONS);
    for (let id = 2; id <= 64; id++) await ring.addKey();
    await expect(ring.addKey()).rejects.toThrow(codeIs("TXN_TOO_MANY_KEYS"));
    for (let id = 65; id <= 270; id++) {
      await ring.destroy(ring.idsIn("retired"));
      await ring.addKey();
    }

    expect(ring.keys().length).toBe(256);
    expect((await KeyRing.open(environment, OPTIONS))!.currentId).toBe(270);
  });
});

test("a store without a ring has no keys", async () => {
  await inProcess(newStorage(), async (environment) => {
    expect(await KeyRing.open(environment, OPTIONS)).toBeUndefined();
    expect(await listKeys(environment, "store")).toBeUndefined();
  });
});

test("the example of docs/formats/key-ring.md is the ring that it says", async () => {
  const path = join(import.meta.dirname, "../../../docs/formats/key-ring.md");
  const [, hex] = /^```example\n(.*?)^```$/ms.exec(await readFile(path, "utf8")) ?? [];
  const example = Uint8Array.from(hex!.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16));

  const { content, seal } = decodeRing(example, "keys");

  expect(content).toEqual({
    storeId: [0x01020304, 0x05060708],
    nextId: 3,
    isAllSealed: true,
    entries: [
      { id: 1, state: "destroyed", createdMs: 1000, wrapped: undefined },
      {
        id: 2,
        state: "current",
        createdMs: 2000,
        wrapped: { masterKeyName: "main", bytes: Uint8Array.of(0xaa, 0xbb) },
      },
    ],
  });
  expect(
    encodeRing(content, ({ nonce, tag }) => [nonce.set(seal.nonce), tag.set(seal.tag)]),
  ).toEqual(example);
});
