import { type DataKeys, createRandom } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { PAGE_LEAF, PageView, formatPage, setPageLsn, toPageId, toPageLsn } from "../src/index.ts";
import { findPageFault, sealedKeyOf, writeChecksum } from "../src/page-seal.ts";
import { PageSealer } from "../src/page-sealer.ts";
import {
  FILE_ID,
  HEADER,
  PATH,
  TestKeys,
  type World,
  changePage,
  makeWorld,
  openExisting,
  openPager,
  readPage,
  readPageSync,
  writePage,
} from "./fixture.ts";

const ID = toPageId(42);
const OWNER = { fileId: FILE_ID, epoch: 3 };

function makeSealer(keys?: DataKeys, mutants: readonly string[] = []): PageSealer {
  return new PageSealer(makeWorld({ mutants }).environment, { path: PATH, owner: OWNER, keys });
}

/** Page 42 as it is in a frame. */
function makePage(seed = 1): Uint8Array {
  const page = new Uint8Array(4096);
  const view = PageView.of(page);
  formatPage(view, ID, PAGE_LEAF);
  setPageLsn(view, toPageLsn(2 ** 40 + 7));
  createRandom(seed).fill(page.subarray(64));
  return page;
}

function sealed(sealer: PageSealer, page = makePage()): Uint8Array {
  const copy = page.slice();
  sealer.seal(copy);
  return copy;
}

/** What is in the frame afterwards: everything but what only the disk needs. */
function contentOf(page: Uint8Array): Uint8Array {
  const content = page.slice();
  content.fill(0, 0, 4);
  content.fill(0, 20, 28);
  return content;
}

test("a sealed page passes as a page, shows nothing of its body, and opens to what it was", () => {
  const { ciphers } = createNodeEnvironment({ root: tmpdir() });
  const realKeys: DataKeys = {
    currentId: 9,
    cipherOf: (id) => ciphers.aes256Gcm(new Uint8Array(32).fill(id)),
  };
  for (const keys of [new TestKeys(9), realKeys]) {
    const sealer = makeSealer(keys);
    const page = makePage();
    page.fill(0xab, 100, 4096);
    const copy = sealed(sealer, page);

    expect(findPageFault(copy, { id: ID, fileId: FILE_ID })).toBeUndefined();
    expect(sealedKeyOf(copy)).toBe(9);
    let same = 0;
    for (let at = 64; at < 4096; at++) if (copy[at] === page[at]) same++;
    expect(same).toBeLessThan(100); // one in 256 by chance

    sealer.open(copy, ID);
    expect(contentOf(copy)).toEqual(contentOf(page));
  }
});

// REL-W4
test("REL-W4: every changed byte of a sealed page is found, by its checksum or, if that was mended, by its tag", () => {
  const sealer = makeSealer(new TestKeys(1));
  const copy = sealed(sealer);
  for (let at = 4; at < 4096; at++) {
    if (at === 60) at = 64; // reserved: means nothing
    const changed = copy.slice();
    changed[at]! ^= 1 << (at % 8);
    expect(findPageFault(changed, { id: ID, fileId: FILE_ID })?.reason).toBe("checksum");
    writeChecksum(changed);
    const fault = findPageFault(changed, { id: ID, fileId: FILE_ID });
    if (fault !== undefined) continue; // another type, number or file
    const open = (): void => sealer.open(changed, ID);
    expect(open, `byte ${at}`).toThrow(/PAGER_NOT_AUTHENTIC|PAGER_KEY_UNKNOWN/);
  }
});

/** A page whose LSN was changed by somebody who can mend a checksum, but has no key. */
function withOtherLsn(page: Uint8Array): Uint8Array {
  const copy = page.slice();
  setPageLsn(PageView.of(copy), toPageLsn(2 ** 41));
  writeChecksum(copy);
  return copy;
}

// REL-W3
test("REL-W3: a body is bound to its file, its number, its LSN, its epoch, its type and its key", () => {
  const sealer = makeSealer(new TestKeys(1, 2));
  const copy = sealed(sealer);
  const changes: readonly ((view: DataView) => void)[] = [
    (view) => view.setUint8(4, 4),
    (view) => view.setUint32(16, 43, true),
    (view) => view.setUint32(20, 8, true),
    (view) => view.setUint32(24, 4, true),
    (view) => view.setUint32(28, 1, true),
  ];
  for (const change of changes) {
    const moved = copy.slice();
    change(new DataView(moved.buffer));
    expect(() => sealer.open(moved, ID)).toThrow("PAGER_NOT_AUTHENTIC");
  }
  expect(() => sealer.open(withOtherLsn(copy), ID)).toThrow(
    expect.objectContaining({
      code: "PAGER_NOT_AUTHENTIC",
      outcome: "none",
      details: { path: PATH, page: 42, offset: 42 * 4096, keyId: 2 },
    }),
  );
});

test("the sabotage pager.skip-associated-data is caught", () => {
  const sealer = makeSealer(new TestKeys(1), ["pager.skip-associated-data"]);

  expect(() => sealer.open(withOtherLsn(sealed(sealer)), ID)).not.toThrow(); // as the test above forbids
});

function noncesOf(sealer: PageSealer, count: number): Set<string> {
  const nonces = new Set<string>();
  for (let at = 0; at < count; at++) nonces.add(sealed(sealer).slice(32, 44).join());
  return nonces;
}

test("no two pages are sealed with one nonce, in one life or in two", () => {
  const keys = new TestKeys(1);
  const world = makeWorld();
  const options = { path: PATH, owner: OWNER, keys };
  const first = noncesOf(new PageSealer(world.environment, options), 300);
  const second = noncesOf(new PageSealer(world.environment, options), 300);

  expect(new Set([...first, ...second]).size).toBe(600);
});

test("the sabotage pager.reuse-nonce is caught", () => {
  expect(noncesOf(makeSealer(new TestKeys(1), ["pager.reuse-nonce"]), 300).size).toBe(1);
});

test("a page under an unknown key says so, whether there are no keys or others", () => {
  const copy = sealed(makeSealer(new TestKeys(5)));
  for (const keys of [undefined, new TestKeys(1)]) {
    expect(() => makeSealer(keys).open(copy.slice(), ID)).toThrow(
      expect.objectContaining({
        code: "PAGER_KEY_UNKNOWN",
        retryable: false,
        details: { path: PATH, page: 42, keyId: 5 },
      }),
    );
  }
});

async function threePages(world: World, keys?: DataKeys): Promise<void> {
  const pager = await openPager(world, keys === undefined ? {} : { keys });
  await pager.grow(10);
  for (let id = 3; id < 6; id++) await writePage(pager, toPageId(id), 0x01020304 * id);
  await pager.flushBefore(toPageLsn(1));
  await pager.writeHeader(HEADER);
  await pager.close();
}

test("with keys no body is on the disk as it is in memory, and everything reads as before", async () => {
  const world = makeWorld();
  const keys = new TestKeys(1);
  await threePages(world, keys);
  const bytes = world.storage.readFile(PATH);
  for (let at = 3 * 4096; at < 6 * 4096; at += 4096) {
    const words = new Uint32Array(bytes.slice(at + 64, at + 4096).buffer);
    expect(new Set(words).size).toBeGreaterThan(900);
  }

  const pager = await openExisting(world.environment, { keys, onlySealed: true });
  for (let id = 3; id < 6; id++) {
    expect(await readPage(pager, toPageId(id))).toBe(0x01020304 * id);
  }
  await pager.close();
});

test("plain pages and pages of several keys stand side by side", async () => {
  const world = makeWorld();
  await threePages(world);
  const keys = new TestKeys(1);
  const pager = await openExisting(world.environment, { keys });
  expect(await readPage(pager, toPageId(3))).toBe(0x01020304 * 3); // plain
  await changePage(pager, toPageId(4), 44, toPageLsn(2));
  await pager.flushBefore(toPageLsn(2));
  keys.add(2);
  await changePage(pager, toPageId(5), 55, toPageLsn(3));
  await pager.flushBefore(toPageLsn(3));
  await pager.close();

  const again = await openExisting(world.environment, { keys });
  expect(readPageSync(again, toPageId(3))).toBe(0x01020304 * 3);
  expect(readPageSync(again, toPageId(4))).toBe(44);
  expect(await readPage(again, toPageId(5))).toBe(55);
  await again.close();

  keys.destroy(1);
  const later = await openExisting(world.environment, { keys });
  await expect(readPage(later, toPageId(4))).rejects.toThrow("PAGER_KEY_UNKNOWN");
  expect(await readPage(later, toPageId(5))).toBe(55);
  await later.close();
});

test("where all pages are sealed, a plain one is refused", async () => {
  const world = makeWorld();
  const keys = new TestKeys(1);
  await threePages(world, keys);
  const plain = makeWorld();
  await threePages(plain);
  world.storage.overwrite(PATH, 3 * 4096, plain.storage.readFile(PATH).slice(3 * 4096, 4 * 4096));

  const pager = await openExisting(world.environment, { keys, onlySealed: true });
  await expect(readPage(pager, toPageId(3))).rejects.toMatchObject({
    code: "PAGER_NOT_AUTHENTIC",
    details: { page: 3, keyId: 0 },
  });
  await pager.close();
  await expect(openExisting(plain.environment, { keys, onlySealed: true })).rejects.toThrow(
    "PAGER_NOT_AUTHENTIC",
  ); // its header
});

test("the header stays readable without a key, and cannot be changed without one", async () => {
  const world = makeWorld();
  const keys = new TestKeys(3);
  await threePages(world, keys); // the newest header is in page 0
  const pager = await openExisting(world.environment, { keys });
  expect(pager.headerKeyIds).toEqual([3, 0]);
  await pager.writeHeader(HEADER);
  expect(pager.headerKeyIds).toEqual([3, 3]);
  await pager.close();

  const page = world.storage.readFile(PATH).slice(4096, 8192);
  for (const at of [70, 120, 24, 100, 4000]) {
    const changed = page.slice();
    changed[at]! ^= 1;
    writeChecksum(changed);
    const other = makeWorld({ storage: world.storage.clone() });
    other.storage.overwrite(PATH, 4096, changed);
    if (at === 70) continue; // the magic: no header at all
    await expect(openExisting(other.environment, { keys })).rejects.toMatchObject({
      code: "PAGER_NOT_AUTHENTIC",
      details: { page: 1, keyId: 3 },
    });
  }
  keys.destroy(3);
  keys.add(4);
  await expect(openExisting(world.environment, { keys })).rejects.toThrow("PAGER_KEY_UNKNOWN");
  await expect(openExisting(world.environment)).rejects.toThrow("PAGER_KEY_UNKNOWN");
});

test("a page dropped while its sealed copy is written opens from that copy", async () => {
  const keys = new TestKeys(1);
  const pager = await openPager(makeWorld(), { keys });
  await pager.grow(10);
  await writePage(pager, toPageId(5), 55, toPageLsn(1));
  const flush = pager.flushBefore(toPageLsn(1));
  pager.drop(toPageId(5));

  expect(readPageSync(pager, toPageId(5))).toBe(55);
  await flush;
  await pager.close();
});
