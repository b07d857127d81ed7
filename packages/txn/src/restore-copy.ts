import {
  type Environment,
  type File,
  type FileLock,
  type KvsError,
  isKvsError,
  writeFullyAt,
} from "@kvs/env";
import { PAGE_BYTES, type PageId, findPageFault } from "@kvs/pager";
import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from "@kvs/wal";
import {
  type CopyBegin,
  type CopyEnd,
  type CopyFrame,
  FRAME_BEGIN,
  FRAME_END,
  FRAME_KEYS,
  FRAME_LOG,
  FRAME_PAGES,
  damagedCopy,
  decodeBegin,
  decodeEnd,
  readFrames,
} from "./hot-copy-format.ts";
import { decodeRing } from "./key-ring-format.ts";
import { keyRingPath } from "./key-ring.ts";
import { replaceFile } from "./replace-file.ts";
import { parentOf, storePaths } from "./store-paths.ts";
import { type TxnErrorCode, txnError } from "./txn-error.ts";

/** What a copy was restored to. */
export interface RestoredCopy {
  readonly pages: number;
  readonly logBytes: number;
  /** When the copy was begun: milliseconds since 1970, by the clock of that machine. */
  readonly createdMs: number;
  /** Whether the store is encrypted: opening it needs the master key of that time. */
  readonly isEncrypted: boolean;
}

/**
 * Makes a store from a copy, as `HotCopy` gave it. Open it like any other: it recovers.
 *
 * Everything is checked: each frame, each page, that nothing is missing. The page file gets its name
 * last; until then there is no store in the directory, and opening one there is refused
 * (`TXN_RESTORE_INCOMPLETE`). A restore that failed or crashed may be repeated in the same directory.
 *
 * @param source The bytes of the copy, in pieces of any length.
 * @param path The directory of the new store; made if absent. It must not hold one.
 * @throws {KvsError} `TXN_STORE_EXISTS`, `TXN_DAMAGED_COPY`, `TXN_UNKNOWN_VERSION`, `DISK_LOCKED`,
 *   errors of the disk, and what the source throws.
 */
export async function restoreCopy(
  environment: Environment,
  source: AsyncIterable<Uint8Array>,
  path: string,
): Promise<RestoredCopy> {
  const { disk } = environment;
  await disk.makeDirectory(path);
  await disk.syncDirectory(parentOf(path));
  const lock: FileLock = await disk.lock(storePaths(path).lock);
  try {
    await clear(environment, path);
    const restore = new Restore(environment, path);
    try {
      for await (const frame of readFrames(source)) await restore.take(frame);
      return await restore.finish();
    } finally {
      await restore.close();
    }
  } finally {
    await lock.release();
  }
}

/** Whether a restore into this directory was begun and not finished. */
export async function isRestoring(environment: Environment, path: string): Promise<boolean> {
  return (await environment.disk.stat(restoringPath(path))) !== undefined;
}

/** What opening a directory meets in which a restore stopped half way. */
export function restoreIncomplete(path: string): KvsError<TxnErrorCode> {
  const message = `a copy was being restored into ${path}, and that did not end; restore it again`;
  return txnError("TXN_RESTORE_INCOMPLETE", message, { details: { path } });
}

/** The page file until all is there. */
function restoringPath(path: string): string {
  return `${storePaths(path).pages}.restoring`;
}

/** Removes what an interrupted restore left; refuses anything else. */
async function clear(environment: Environment, path: string): Promise<void> {
  const { disk } = environment;
  const { pages, log } = storePaths(path);
  const names = (await disk.stat(log)) === undefined ? [] : await disk.list(log);
  const hasStore = (await disk.stat(pages)) !== undefined;
  const hasRing = (await disk.stat(keyRingPath(path))) !== undefined;
  const isOurs = await isRestoring(environment, path);
  if (hasStore || (!isOurs && (names.length > 0 || hasRing))) {
    const message = `${path} holds a store already; restore into another directory`;
    throw txnError("TXN_STORE_EXISTS", message, { details: { path } });
  }
  for (const name of names) await disk.unlink(`${log}/${name}`);
  if (hasRing) await disk.unlink(keyRingPath(path));
}

/** Writes the frames of one copy to their places. */
class Restore {
  readonly #environment: Environment;
  readonly #path: string;
  #begin: CopyBegin | undefined;
  #end: CopyEnd | undefined;
  #pages: File | undefined;
  #segment: File | undefined;
  #latestKind = 0;
  #copiedPages = 0;
  #nextPage = 0;
  #logEnd = 0;
  #hasRing = false;

  constructor(environment: Environment, path: string) {
    this.#environment = environment;
    this.#path = path;
  }

  async take(frame: CopyFrame): Promise<void> {
    const { kind, payload } = frame;
    const mayRepeat = kind === FRAME_PAGES || kind === FRAME_LOG;
    const isInOrder = kind > this.#latestKind || (kind === this.#latestKind && mayRepeat);
    if (!isInOrder || (this.#latestKind === 0) !== (kind === FRAME_BEGIN)) {
      throw damagedCopy("its frames are out of order");
    }
    this.#latestKind = kind;
    if (kind === FRAME_BEGIN) await this.#takeBegin(payload);
    else if (kind === FRAME_PAGES) await this.#takePages(frame);
    else if (kind === FRAME_LOG) await this.#takeLog(frame);
    else if (kind === FRAME_KEYS) await this.#takeKeys(payload);
    else if (kind === FRAME_END) this.#end = decodeEnd(payload);
  }

  async finish(): Promise<RestoredCopy> {
    const begin = this.#begin;
    const end = this.#end;
    if (begin === undefined || end === undefined) throw damagedCopy("its end is missing");
    const isWhole = end.copiedPages === this.#copiedPages && end.logEnd === this.#logEnd;
    if (!isWhole || end.pageCount < this.#nextPage) throw damagedCopy("parts of it are missing");
    const { disk } = this.#environment;
    const { pages, log } = storePaths(this.#path);
    await this.#finishSegment();
    await disk.syncDirectory(log);
    const file = this.#pages!;
    const size = await file.size();
    if (size < end.pageCount * PAGE_BYTES) await file.allocate(size, end.pageCount * PAGE_BYTES);
    await file.datasync();
    await disk.rename(restoringPath(this.#path), pages);
    await disk.syncDirectory(this.#path);
    return {
      pages: this.#copiedPages,
      logBytes: end.logEnd - begin.logStart,
      createdMs: begin.createdMs,
      isEncrypted: this.#hasRing,
    };
  }

  async close(): Promise<void> {
    await this.#segment?.close();
    await this.#pages?.close();
  }

  /** The page file comes first: from here on the directory is known as one being restored. */
  async #takeBegin(payload: Uint8Array): Promise<void> {
    const begin = decodeBegin(payload);
    const { segmentBytes } = begin;
    const isLength = segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX;
    if (!isLength) throw damagedCopy("its log has segments of an impossible length");
    const { disk } = this.#environment;
    this.#pages = await disk.open(restoringPath(this.#path), { create: true });
    await this.#pages.truncate(0);
    await this.#pages.datasync();
    await disk.syncDirectory(this.#path);
    await disk.makeDirectory(storePaths(this.#path).log);
    await disk.syncDirectory(this.#path);
    this.#begin = begin;
    this.#logEnd = begin.logStart;
  }

  async #takePages({ position, payload }: CopyFrame): Promise<void> {
    const { fileId } = this.#begin!;
    const count = payload.length / PAGE_BYTES;
    const isInPlace = Number.isInteger(count) && count > 0 && position >= this.#nextPage;
    if (!isInPlace || position + count > PAGES_MAX) throw damagedCopy("its pages are out of order");
    for (let page = 0; page < count; page++) {
      const id = (position + page) as PageId;
      const bytes = payload.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      const fault = findPageFault(bytes, { id, fileId });
      if (fault !== undefined) throw damagedCopy(`page ${id} of it is bad (${fault.reason})`);
    }
    await writeFullyAt(this.#pages!, payload, position * PAGE_BYTES);
    this.#nextPage = position + count;
    this.#copiedPages += count;
  }

  async #takeLog({ position, payload }: CopyFrame): Promise<void> {
    const { logStart, segmentBytes } = this.#begin!;
    const offset = (position - logStart) % segmentBytes;
    const isInPlace = position === this.#logEnd && offset + payload.length <= segmentBytes;
    if (!isInPlace || payload.length === 0) throw damagedCopy("its log is out of order");
    if (offset === 0) {
      await this.#finishSegment();
      const path = segmentPath(storePaths(this.#path).log, position);
      this.#segment = await this.#environment.disk.open(path, { create: true });
    }
    await writeFullyAt(this.#segment!, payload, offset);
    this.#logEnd = position + payload.length;
  }

  /** A segment's file has its whole length, in zeros behind what was logged. */
  async #finishSegment(): Promise<void> {
    const file = this.#segment;
    if (file === undefined) return;
    const { segmentBytes } = this.#begin!;
    const size = await file.size();
    if (size < segmentBytes) await file.allocate(size, segmentBytes);
    await file.datasync();
    await file.close();
    this.#segment = undefined;
  }

  async #takeKeys(payload: Uint8Array): Promise<void> {
    const path = keyRingPath(this.#path);
    try {
      decodeRing(payload, path);
    } catch (error) {
      if (isKvsError(error, "TXN_DAMAGED_KEYS")) throw damagedCopy("its keys are damaged");
      throw error;
    }
    await replaceFile(this.#environment, this.#path, path, payload);
    this.#hasRing = true;
  }
}

/** The file of the log's segment that begins at this position. */
function segmentPath(log: string, base: number): string {
  return `${log}/${String(base).padStart(SEGMENT_NAME_DIGITS, "0")}.wal`;
}

const SEGMENT_NAME_DIGITS = 20;
/** Page numbers have 32 bits. */
const PAGES_MAX = 2 ** 32;
