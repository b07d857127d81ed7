import { type DiskCall, type DiskVerdict } from "@kvs/sim";
import { expect, test } from "vitest";

import { type FullSegment, type Wal, type WalOptions } from "../src/index.ts";
import { type WorldOptions, newStorage, openWal, payloadOf, readAll, walError } from "./fixture.ts";

/** Takes segments, and fails when told. */
class TestArchive {
  readonly taken: FullSegment[] = [];
  readonly from?: number;
  fails = false;
  gate: Promise<void> | undefined;

  async seal(segment: FullSegment): Promise<void> {
    await this.gate;
    if (this.fails) throw new Error("the archive is not there");
    this.taken.push(segment);
  }

  get bases(): number[] {
    return this.taken.map(({ base }) => base);
  }
}

const SMALL: Partial<WalOptions> = { segmentBytes: 1024, spareSegments: 0 };

/** Two records a segment. */
async function write(wal: Wal, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    wal.append(1, payloadOf(index, 448));
    await wal.sync();
  }
}

test("every segment is handed out when it is full, in order, with where it ends", async () => {
  const storage = newStorage();
  const archive = new TestArchive();
  const wal = await openWal(storage, { ...SMALL, archive });
  await write(wal, 7);
  await wal.archiveFull();
  expect(archive.taken).toEqual(
    [0, 1024, 2048].map((base) => ({
      base,
      end: base + 1024,
      path: `log/${String(base).padStart(20, "0")}.wal`,
      lastLsn: base + 1024,
    })),
  );
  expect(wal.archivedTo).toBe(3072);
  expect(wal.stats()).toMatchObject({ archivedTo: 3072, archiveError: undefined });
  await wal.close();
});

async function truncateBeforeArchive(world: WorldOptions): Promise<number> {
  const archive = new TestArchive();
  archive.fails = true;
  const wal = await openWal(newStorage(), { ...SMALL, archive }, world);
  await write(wal, 9);
  await expect(wal.archiveFull()).rejects.toThrow("the archive is not there");
  await wal.truncateBefore();
  const { headPosition } = wal;
  expect(wal.stats().archiveError).toMatchObject({ message: "the archive is not there" });
  archive.fails = false;
  await wal.archiveFull();
  // What was to be dropped goes when it was taken.
  expect(wal.headPosition).toBe(4096);
  expect(archive.bases).toEqual([0, 1024, 2048, 3072]);
  await wal.close();
  return headPosition;
}

test("no segment goes before the archive has taken it; then it goes by itself", async () => {
  expect(await truncateBeforeArchive({})).toBe(0);
});

test("a segment that goes before it was archived is caught (wal.drop-before-archive)", async () => {
  const world = { hooks: { hasMutant: (name: string) => name === "wal.drop-before-archive" } };
  const outcome = await truncateBeforeArchive(world).then(
    (head) => `head ${head}`,
    () => "lost",
  );
  expect(outcome).not.toBe("head 0");
});

test("after a restart whatever is left is handed out again, from where the caller says", async () => {
  const storage = newStorage();
  const first = new TestArchive();
  const wal = await openWal(storage, { ...SMALL, archive: first });
  await write(wal, 7);
  await wal.archiveFull();
  await wal.truncateBefore(1900);
  expect(wal.headPosition).toBe(1024);
  storage.processDied();

  const second = new TestArchive();
  const again = await openWal(storage, { ...SMALL, archive: second });
  expect(again.archivedTo).toBe(1024);
  await again.archiveFull();
  expect(second.bases).toEqual([1024, 2048]);
  await again.close();
  for (const [from, bases] of [
    [2048, [2048]],
    [2500, [2048]],
    [3072, []],
    [2 ** 40, []],
    [0, [1024, 2048]],
  ] as const) {
    const archive = Object.assign(new TestArchive(), { from });
    const third = await openWal(storage, { ...SMALL, archive });
    await third.archiveFull();
    expect(archive.bases).toEqual(bases);
    await third.close();
  }
});

test("a segment that was cut and filled anew is handed out again; a cut waits for the archive", async () => {
  const archive = new TestArchive();
  const wal = await openWal(newStorage(), { ...SMALL, archive });
  await write(wal, 7);
  await wal.archiveFull();
  const records = await readAll(wal);
  let open = (): void => undefined;
  archive.gate = new Promise((resolve) => (open = resolve));
  await write(wal, 2);
  let isCut = false;
  const cut = wal.truncateAfter(records[2]!.lsn).then(() => (isCut = true));
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(isCut).toBe(false);
  open();
  await cut;
  expect(wal.archivedTo).toBe(1024);
  await write(wal, 4);
  await wal.archiveFull();
  expect(archive.bases).toEqual([0, 1024, 2048, 3072, 1024, 2048]);
  await wal.close();
});

test("a log that is closed hands out nothing more", async () => {
  const archive = new TestArchive();
  let open = (): void => undefined;
  archive.gate = new Promise((resolve) => (open = resolve));
  const wal = await openWal(newStorage(), { ...SMALL, archive });
  await write(wal, 7);
  const closed = wal.close();
  open();
  await closed;
  expect(archive.bases).toEqual([0]);
  await expect(wal.archiveFull()).rejects.toEqual(walError("WAL_CLOSED"));
});

test("an error of the disk while a segment is dropped behind the archive ends the log's life", async () => {
  const archive = new TestArchive();
  archive.fails = true;
  let isBroken = false;
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
    isBroken && operation === "unlink" ? { type: "error", code: "DISK_IO" } : undefined;
  const wal = await openWal(newStorage(), { ...SMALL, archive }, { onCall });
  await write(wal, 5);
  await wal.truncateBefore();
  archive.fails = false;
  isBroken = true;
  await wal.archiveFull();
  expect(wal.failure).toMatchObject({ code: "WAL_SYNC_FAILED" });
});
