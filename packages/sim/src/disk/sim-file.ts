import { type DiskErrorCode, type File, assert } from "@kvs/env";

import { diskError } from "./disk-error.ts";
import { type DiskVerdict } from "./disk-faults.ts";
import { type FileState, flipBitAt } from "./file-state.ts";
import { type DiskRequest, type DiskProcess } from "./disk-process.ts";
import { BLOCK_BYTES } from "./sparse-bytes.ts";
import { type StorageState } from "./storage-state.ts";
import { Writing, onFile } from "./writing.ts";
import { storeMisdirected, storeNothing, storeWithLostPage } from "./wrong-store.ts";

interface FileRequest<T> extends Omit<DiskRequest<T>, "path"> {
  readonly isWrite?: boolean;
}

/**
 * An open file of one incarnation.
 *
 * Buffers are read and filled as late as the contract allows: at the answer, or in two parts at
 * two drawn moments. Whoever reuses a buffer too early is found out.
 */
export class SimFile implements File {
  readonly path: string;
  readonly #process: DiskProcess;
  readonly #file: FileState;
  readonly #isReadOnly: boolean;
  readonly #syncFailuresAtOpen: number;
  #callsUnderWay = 0;
  #isPoisoned = false;
  #isWritingDurably = false;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(path: string, process: DiskProcess, file: FileState, isReadOnly: boolean) {
    this.path = path;
    this.#process = process;
    this.#file = file;
    this.#isReadOnly = isReadOnly;
    this.#syncFailuresAtOpen = file.syncFailures;
  }

  size(): Promise<number> {
    return this.#call({ operation: "size", run: () => this.#file.cache.size });
  }

  readAt(target: Uint8Array, position: number): Promise<number> {
    assertPosition(position);
    let filled = 0;
    return this.#call({
      operation: "readAt",
      position,
      bytes: target.length,
      early: (random) => {
        const inFile = Math.min(target.length, this.#file.cache.size - position);
        if (inFile <= 0 || this.#file.badRanges.length > 0) return;
        filled = random.below(inFile + 1);
        this.#file.cache.read(target.subarray(0, filled), position);
      },
      run: (verdict) => this.#read({ target, position, filled }, verdict),
    });
  }

  readAtSync(target: Uint8Array, position: number): number {
    assertPosition(position);
    const refusal = this.#refusal(false);
    if (refusal !== undefined) throw this.#error(refusal);
    return this.#process.performNow({
      operation: "readAtSync",
      path: this.path,
      position,
      bytes: target.length,
      run: (verdict) => this.#read({ target, position, filled: 0 }, verdict),
    });
  }

  writeAt(source: Uint8Array, position: number): Promise<number> {
    assertPosition(position);
    const writing = new Writing(this.#process.state, this.#file, source, position);
    return this.#call({
      operation: "writeAt",
      isWrite: true,
      position,
      bytes: source.length,
      effect: (state, random) => writing.effect(state, random),
      early: (random) => writing.writeUpTo(random.below(source.length + 1)),
      run: (verdict) => this.#write(writing, verdict),
    });
  }

  writeDurableAt(source: Uint8Array, position: number): Promise<void> {
    assertPosition(position);
    if (this.#refusal(true) === undefined) {
      assert(!this.#isWritingDurably, "a file has one durable write under way at a time");
      this.#isWritingDurably = true;
    }
    const writing = new Writing(this.#process.state, this.#file, source, position);
    return this.#call({
      operation: "writeDurableAt",
      isWrite: true,
      position,
      bytes: source.length,
      effect: (state, random) => writing.effect(state, random),
      early: (random) => writing.writeUpTo(random.below(source.length + 1)),
      run: (verdict) => {
        this.#isWritingDurably = false;
        this.#writeDurably(writing, verdict);
      },
    });
  }

  datasync(): Promise<void> {
    // Writes answered later are not covered, however long this sync takes.
    const upTo = this.#process.state.sequence;
    return this.#call({
      operation: "datasync",
      run: (verdict) => {
        this.#failIfAnotherSyncFailed();
        if (verdict?.type === "error") this.#failSync(upTo, verdict.code);
        const pages = verdict === undefined ? [] : this.#file.pendingPages(upTo);
        this.#store(pages, verdict, () => this.#file.sync(upTo));
        if (this.#process.state.traits.syncAlsoSyncsName) {
          this.#process.state.syncNamesOf(this.#file.id);
        }
      },
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    assertPosition(sizeBytes);
    const { id } = this.#file;
    return this.#call({
      operation: "truncate",
      isWrite: true,
      bytes: sizeBytes,
      effect: (state) => onFile(state, id, (file) => state.truncate(file, sizeBytes)),
      run: (verdict) => {
        if (verdict?.type === "error") throw this.#fault("disk.eio-write", verdict.code);
        this.#process.state.truncate(this.#file, sizeBytes);
      },
    });
  }

  allocate(from: number, to: number): Promise<void> {
    assertPosition(from);
    assert(Number.isSafeInteger(to) && to >= from, "a range does not end before it starts");
    const { id } = this.#file;
    const { state } = this.#process;
    return this.#call({
      operation: "allocate",
      isWrite: true,
      position: from,
      bytes: to - from,
      effect: (image) => onFile(image, id, (file) => zero(image, file, from, to)),
      run: (verdict) => {
        this.#failIfAnotherSyncFailed();
        const isFull = verdict?.type === "error" && verdict.code === "DISK_FULL";
        if (verdict?.type === "error" && !isFull) this.#failSync(state.sequence, verdict.code);
        const fits = state.fits(this.#file, from, to - from);
        const stop = isFull ? from + Math.floor(fits / 2) : from + fits;
        zero(state, this.#file, from, stop);
        if (isFull || stop < to) throw this.#fault("disk.full", "DISK_FULL");
        this.#file.makeRangeDurable(from, to);
        this.#process.counters.syncs += 1;
      },
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#callsUnderWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#process.perform({
      operation: "close",
      path: this.path,
      run: () => {
        const { openFiles } = this.#process;
        openFiles.splice(openFiles.indexOf(this.#file), 1);
        this.#file.handles -= 1;
        if (this.#file.handles === 0 && this.#file.names === 0) this.#process.state.sweep();
      },
    });
  }

  #call<T>(request: FileRequest<T>): Promise<T> {
    const refusal = this.#refusal(request.isWrite ?? false);
    if (refusal !== undefined) return Promise.reject(this.#error(refusal));
    this.#callsUnderWay += 1;
    return this.#process.perform({
      ...request,
      path: this.path,
      run: (verdict) => {
        this.#callsUnderWay -= 1;
        if (this.#callsUnderWay === 0) this.#onIdle?.();
        // Another call may have failed its sync while this one was under way.
        if (this.#isPoisoned) throw this.#error("DISK_SYNC_FAILED");
        return request.run(verdict);
      },
    });
  }

  #refusal(isWrite: boolean): DiskErrorCode | undefined {
    if (this.#closing !== undefined) return "DISK_CLOSED";
    if (this.#isPoisoned) return "DISK_SYNC_FAILED";
    return isWrite && this.#isReadOnly ? "DISK_READ_ONLY" : undefined;
  }

  #read(
    read: { readonly target: Uint8Array; readonly position: number; readonly filled: number },
    verdict: DiskVerdict | undefined,
  ): number {
    const { target, position, filled } = read;
    const file = this.#file;
    this.#failRead(position, verdict);
    let count = Math.min(target.length, file.cache.size - position);
    if (count <= 0) return 0;
    if (verdict?.type === "flip-bit") this.#flipBit(position, count);
    if (verdict?.type === "short" && verdict.bytes < count) {
      this.#process.count("disk.short-read");
      count = Math.max(1, verdict.bytes);
    }
    const bad = file.badRangeIn(position, position + count);
    if (bad !== undefined && bad.from <= position) throw this.#fault("disk.eio-read", "DISK_IO");
    if (bad !== undefined) count = bad.from - position;
    if (filled < count) file.cache.read(target.subarray(filled, count), position + filled);
    this.#process.counters.bytesRead += count;
    return count;
  }

  #failRead(position: number, verdict: DiskVerdict | undefined): void {
    if (verdict?.type !== "error") return;
    const isSticky = verdict.isSticky ?? false;
    if (isSticky) spoilPage(this.#file, position);
    throw this.#fault(isSticky ? "disk.bad-sector" : "disk.eio-read", verdict.code);
  }

  #write(writing: Writing, verdict: DiskVerdict | undefined): number {
    if (writing.length === 0) return 0;
    if (verdict?.type === "error") {
      if (verdict.code === "DISK_FULL") throw this.#fault("disk.full", verdict.code);
      writing.writeSomeSectors(this.#process.verdicts.stream("mixture"));
      throw this.#fault("disk.eio-write", verdict.code);
    }
    let goal = writing.length;
    if (verdict?.type === "short" && verdict.bytes < goal) {
      this.#process.count("disk.short-write");
      goal = Math.max(1, verdict.bytes);
    }
    const written = writing.writeUpTo(goal);
    if (written === 0) throw this.#fault("disk.full", "DISK_FULL");
    this.#process.counters.bytesWritten += written;
    return written;
  }

  #writeDurably(writing: Writing, verdict: DiskVerdict | undefined): void {
    this.#failIfAnotherSyncFailed();
    if (verdict?.type === "error" && verdict.code !== "DISK_FULL") {
      writing.writeSomeSectors(this.#process.verdicts.stream("mixture"));
      this.#failSync(this.#process.state.sequence, verdict.code);
    }
    const isFull = verdict?.type === "error";
    if (isFull || writing.writeUpTo(writing.length) < writing.length) {
      throw this.#fault("disk.full", "DISK_FULL");
    }
    const { position, length } = writing;
    const end = position + length;
    const pages: number[] = [];
    if (verdict !== undefined) {
      const first = Math.floor(position / BLOCK_BYTES);
      for (let page = first; page * BLOCK_BYTES < end; page++) pages.push(page);
    }
    this.#process.counters.bytesWritten += length;
    this.#store(pages, verdict, () => this.#file.makeRangeDurable(position, end));
  }

  /** Does a sync, or what a lying device makes of it. */
  #store(pages: number[], verdict: DiskVerdict | undefined, store: () => void): void {
    this.#process.counters.syncs += 1;
    const sync = { state: this.#process.state, file: this.#file, pages, store };
    const random = this.#process.verdicts.stream("wrong-store");
    if (verdict?.type === "lose" && verdict.what === "all") {
      storeNothing(sync);
      this.#process.count("disk.lost-write");
    } else if (verdict?.type === "lose") {
      if (storeWithLostPage(sync, random)) this.#process.count("disk.lost-write");
    } else if (verdict?.type === "misdirect") {
      const hit = storeMisdirected(sync, random);
      if (pages.length > 0) {
        this.#process.count(hit ? "disk.misdirected-write" : "disk.lost-write");
      }
    } else store();
  }

  /** The kernel reports a failed sync once to every handle that was open at the time. */
  #failIfAnotherSyncFailed(): void {
    if (this.#file.syncFailures === this.#syncFailuresAtOpen) return;
    this.#isPoisoned = true;
    throw this.#error("DISK_SYNC_FAILED");
  }

  /** Whatever went wrong in a sync has one name: no caller may tell a harmless kind apart. */
  #failSync(upTo: number, code: DiskErrorCode): never {
    const random = this.#process.verdicts.stream("mixture");
    this.#file.failSync(upTo, random, this.#process.state.traits.cacheAfterFailedSync);
    this.#isPoisoned = true;
    this.#process.count("disk.sync-failed");
    throw diskError("DISK_SYNC_FAILED", this.path, "unknown", { reported: code });
  }

  #flipBit(position: number, count: number): void {
    const random = this.#process.verdicts.stream("bit");
    const at = position + Math.floor(random.nextFloat() * count);
    flipBitAt(this.#file, at * 8 + random.below(8));
    this.#process.count("disk.bit-flip");
  }

  #fault(kind: Parameters<DiskProcess["count"]>[0], code: DiskErrorCode): Error {
    this.#process.count(kind);
    return this.#error(code);
  }

  #error(code: DiskErrorCode): Error {
    const isUnsure = code === "DISK_IO" || code === "DISK_SYNC_FAILED" || code === "DISK_FULL";
    return diskError(code, this.path, isUnsure ? "unknown" : "none");
  }
}

function spoilPage(file: FileState, position: number): void {
  const from = Math.floor(position / BLOCK_BYTES) * BLOCK_BYTES;
  file.badRanges = [...file.badRanges, { from, to: from + BLOCK_BYTES }];
}

/** Writes real zeros, pending; they take space. */
function zero(state: StorageState, file: FileState, from: number, to: number): void {
  if (from === to) return;
  file.change({ type: "zero", sequence: state.nextSequence(), from, to });
  file.cache.zero(from, to, true);
}

function assertPosition(position: number): void {
  assert(Number.isSafeInteger(position) && position >= 0, "a position is an integer in [0, 2^53)");
}
