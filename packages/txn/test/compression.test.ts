import { createRandom } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Store } from "../src/index.ts";
import { bytes, contentOf, expectSound, newStorage, put, text, withStore } from "./fixture.ts";

const PACKED = { compression: { values: true, log: true } };
/** The simulator's compressors see runs of one byte, no more. */
const PROSE = Array.from({ length: 450 }, (_, at) => String(at % 10).repeat(200)).join("");

async function fill(store: Store): Promise<void> {
  await store.batch([put("long", PROSE), put("short", "not worth it")]);
  for (let at = 0; at < 20; at++) await store.batch([put(`row ${at}`, PROSE.slice(0, at * 300))]);
}

/** Bytes of log and pages that a store wrote. */
async function written(storage: SimStorage, isPacked: boolean): Promise<[number, number]> {
  return withStore(
    storage,
    async (store) => {
      await fill(store);
      await expectSound(store);
      const { wal, pager } = store.stats();
      return [wal.writtenBytes, pager.pagesWritten] as [number, number];
    },
    { store: isPacked ? PACKED : {} },
  );
}

test("a store that compresses writes less, and reads the same", async () => {
  const [plain, packed] = [newStorage(), newStorage()];
  const [plainLog] = await written(plain, false);
  const [packedLog] = await written(packed, true);
  expect(packedLog).toBeLessThan(plainLog / 2);

  const contents = [plain, packed].map((storage) =>
    withStore(storage.worstCase(), (store) => contentOf(store)),
  );
  const [one, other] = await Promise.all(contents);
  expect(one).toEqual(other);
  expect(one!["long"]).toBe(PROSE);
});

test("compression may be switched on and off; every row stays readable, forward, back and by key", async () => {
  const storage = newStorage();
  await withStore(storage, (store) => store.batch([put("a plain", PROSE)]));
  await withStore(storage, (store) => store.batch([put("b packed", PROSE)]), { store: PACKED });
  await withStore(storage.worstCase(), async (store) => {
    await store.batch([put("c plain", PROSE)]);
    const values = { "a plain": PROSE, "b packed": PROSE, "c plain": PROSE };
    expect(await contentOf(store)).toEqual(values);
    expect(await contentOf(store, { reverse: true })).toEqual(values);
    for (const key of Object.keys(values)) {
      expect(text((await store.get(bytes(key)))!)).toBe(PROSE);
      expect(text(store.getSync(bytes(key))!)).toBe(PROSE);
    }
    await store.batch([put("b packed", "short now"), put("a plain", "short too")]);
    await expectSound(store);
  });
});

test("values that do not compress are kept as they are", async () => {
  await withStore(
    newStorage(),
    async (store) => {
      const noise = createRandom(1).fill(new Uint8Array(600_000));
      await store.batch([{ type: "put", key: bytes("noise"), value: noise }]);
      expect(await store.get(bytes("noise"))).toEqual(noise);
      await expectSound(store);
    },
    { store: { ...PACKED, memoryBytes: 1 << 20 } },
  );
});

test("a long value is compressed in slices: others run in between", async () => {
  await withStore(
    newStorage(),
    async (store) => {
      const value = bytes(PROSE.repeat(60));
      const order: string[] = [];
      const long = store.batch([{ type: "put", key: bytes("long"), value }]).then(() => {
        order.push("long");
      });
      const read = store.get(bytes("other")).then(() => order.push("read"));
      await Promise.all([long, read]);
      expect(order).toEqual(["read", "long"]);
      expect(await store.get(bytes("long"))).toEqual(value);
    },
    { store: { ...PACKED, memoryBytes: 8 << 20, segmentBytes: 1 << 20 } },
  );
});
