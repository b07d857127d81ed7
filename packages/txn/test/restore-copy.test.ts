import { type Environment, createRandom, pick } from "@kvs/env";
import { InstantWorld } from "@kvs/sim";
import { expect, test } from "vitest";

import {
  type CopyFrame,
  FRAME_BEGIN,
  FRAME_END,
  FRAME_KEYS,
  FRAME_LOG,
  FRAME_PAGES,
  FrameSealer,
  decodeBegin,
  decodeEnd,
  encodeBegin,
  encodeEnd,
  readFrames,
} from "../src/hot-copy-format.ts";
import { dataKeysOf } from "../src/index.ts";
import { parentOf } from "../src/store-paths.ts";
import { copyOf, inPieces, restoreInto } from "./copy-fixture.ts";
import { codeIs, contentOf, newStorage, put, withStore } from "./fixture.ts";
import { testProvider } from "./test-keys.ts";

const SEALED = { encryption: { provider: testProvider() } };

/** The frames of a small copy of an encrypted store. */
async function framesOfCopy(): Promise<CopyFrame[]> {
  const copy = await withStore(
    newStorage(),
    async (store) => {
      for (let at = 0; at < 12; at++) await store.batch([put(`key ${at}`, "x".repeat(500))]);
      return copyOf(store.hotCopy());
    },
    { store: SEALED },
  );
  const frames: CopyFrame[] = [];
  for await (const { kind, position, payload } of readFrames(inPieces(copy))) {
    frames.push({ kind, position, payload: payload.slice() });
  }
  return frames;
}

/** The copy that somebody makes of these frames, with checksums that are right. */
async function sealed(frames: readonly CopyFrame[]): Promise<Uint8Array> {
  const sealer = new FrameSealer();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const { kind, position, payload } of frames) {
      const bytesOfFrame = new Uint8Array(24 + payload.length);
      bytesOfFrame.set(payload, 24);
      sealer.seal(bytesOfFrame, kind, position);
      yield bytesOfFrame;
    }
  }
  return copyOf(pieces());
}

test("frames in their order restore, whoever sealed them", async () => {
  const storage = newStorage(2);
  await restoreInto(storage, await sealed(await framesOfCopy()));
  const content = await withStore(storage, (store) => contentOf(store), { store: SEALED });
  expect(Object.keys(content).length).toBe(12);
});

test("a copy whose frames are whole and whose parts do not fit is refused", async () => {
  const frames = await framesOfCopy();
  const at = (kind: number): number => frames.findIndex((frame) => frame.kind === kind);
  const changed = (kind: number, change: (frame: CopyFrame) => Partial<CopyFrame>): CopyFrame[] =>
    frames.with(at(kind), { ...frames[at(kind)]!, ...change(frames[at(kind)]!) });
  const without = (kind: number): CopyFrame[] => frames.filter((frame) => frame.kind !== kind);
  const begin = decodeBegin(frames[0]!.payload);
  const end = decodeEnd(frames.at(-1)!.payload);
  const forgeries: Readonly<Record<string, readonly CopyFrame[]>> = {
    "no begin": frames.slice(1),
    "two begins": [frames[0]!, ...frames],
    "no end": frames.slice(0, -1),
    "something behind the end": [...frames, frames.at(-1)!],
    "no pages": without(FRAME_PAGES),
    "no log": without(FRAME_LOG),
    "log before pages": [frames[0]!, frames[at(FRAME_LOG)]!, ...frames.slice(1)],
    "pages twice": frames.toSpliced(at(FRAME_PAGES), 0, frames[at(FRAME_PAGES)]!),
    "pages elsewhere": changed(FRAME_PAGES, ({ position }) => ({ position: position + 1 })),
    "half a page": changed(FRAME_PAGES, ({ payload }) => ({ payload: payload.slice(1) })),
    "a page of zeros": changed(FRAME_PAGES, ({ payload }) => ({ payload: payload.map(() => 0) })),
    "pages behind all numbers": changed(FRAME_PAGES, () => ({ position: 2 ** 40 })),
    "a gap in the log": changed(FRAME_LOG, ({ position }) => ({ position: position + 1 })),
    "empty log": changed(FRAME_LOG, () => ({ payload: new Uint8Array(0) })),
    "log across segments": changed(FRAME_LOG, ({ payload }) => ({
      payload: new Uint8Array(payload.length + 20_000),
    })),
    "damaged keys": changed(FRAME_KEYS, ({ payload }) => ({ payload: payload.slice(1) })),
    "another file": changed(FRAME_BEGIN, () => ({ payload: encodeBegin({ ...begin, fileId: 7 }) })),
    "impossible segments": changed(FRAME_BEGIN, () => ({
      payload: encodeBegin({ ...begin, segmentBytes: 8 }),
    })),
    "pages missing": changed(FRAME_END, () => ({
      payload: encodeEnd({ ...end, copiedPages: end.copiedPages + 1 }),
    })),
    "a file too short": changed(FRAME_END, () => ({
      payload: encodeEnd({ ...end, pageCount: 1 }),
    })),
    "log missing": changed(FRAME_END, () => ({
      payload: encodeEnd({ ...end, logEnd: end.logEnd + 1 }),
    })),
  };
  for (const [name, forgery] of Object.entries(forgeries)) {
    const storage = newStorage(2);
    const code = await restoreInto(storage, await sealed(forgery)).then(
      () => "restored",
      (error: unknown) => (error as { readonly code?: string }).code,
    );
    expect([name, code]).toEqual([name, "TXN_DAMAGED_COPY"]);
    expect(storage.files()).not.toContain("store/pages.kvs");
  }
});

test("random frames are refused or restore, and never end in a bug", async () => {
  const frames = await framesOfCopy();
  for (let seed = 1; seed <= 40; seed++) {
    const random = createRandom(seed);
    const mixed = frames.map((frame) => (random.chance(0.2) ? pick(random, frames) : frame));
    const code = await restoreInto(newStorage(2), await sealed(mixed)).then(
      () => "restored",
      (error: unknown) => (error as { readonly code?: string }).code,
    );
    expect(["restored", "TXN_DAMAGED_COPY"]).toContain(code);
  }
});

test("the keys of a store that is not open are given to who has the master key", async () => {
  const storage = newStorage();
  await withStore(storage, (store) => store.batch([put("key", "value")]), { store: SEALED });
  const world = new InstantWorld(storage);
  await world.run(async (environment: Environment) => {
    const keys = await dataKeysOf(environment, "store", SEALED.encryption.provider);
    expect([keys?.currentId, keys?.cipherOf(1) === undefined]).toEqual([1, false]);
    expect(await dataKeysOf(environment, "nowhere", testProvider())).toBeUndefined();
    const wrong = dataKeysOf(environment, "store", testProvider({ first: 3 }));
    await expect(wrong).rejects.toThrow(codeIs("KEY_REFUSED"));
  });
});

test("the directory above is told of every kind of path", () => {
  const above = ["data", "data/", "a/b", "a/b///", "/data", "/a/b"].map((path) => parentOf(path));
  expect(above).toEqual([".", ".", "a", "a", "/", "/a"]);
});
