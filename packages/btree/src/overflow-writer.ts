import { ByteWriter, crc32 } from "@kvs/codec";
import { assert } from "@kvs/env";
import {
  PAGE_HEADER_BYTES,
  PAGE_OVERFLOW,
  type PageId,
  PageView,
  type Run,
  bitmapPageOf,
  formatPage,
} from "@kvs/pager";
import {
  DIRECT_RUNS_MAX,
  LIST_HEAD_BYTES,
  OVERFLOW_PAGE_BYTES,
  type OverflowValue,
  RUN_PAGES_MAX,
  TREE_VALUE_BYTES_MAX,
  listBytes,
  overflowPages,
  writeRuns,
} from "./overflow-value.ts";
import { ValuePacker, type ValuePacking } from "./overflow-packing.ts";
import { type PageWriter } from "./page-writer.ts";

/**
 * Writes a long value into new pages, a run at a time, each run a mini-transaction of its own; then,
 * if its runs are too many for a cell, a list of them likewise. The pages belong to nobody until a
 * row names them: whoever drives this gives them back if it stops in between.
 *
 * With `packing` the value is compressed first, a block a step, and kept so if that is worth it.
 */
export class OverflowWriter {
  readonly #writer: PageWriter;
  readonly #view = new PageView();
  readonly #packing: ValuePacking | undefined;
  #packer: ValuePacker | undefined = undefined;
  #packedBytes = 0;
  #plainLength = 0;
  #value: Uint8Array = NOTHING;
  #valueRuns: readonly Run<PageId>[] = [];
  /** What is being written: the value, then perhaps the list of its runs. */
  #bytes: Uint8Array = NOTHING;
  #runs: Run<PageId>[] = [];
  #pagesDone = 0;
  #isList = false;

  constructor(writer: PageWriter, packing?: ValuePacking) {
    this.#writer = writer;
    this.#packing = packing;
  }

  /** Begins with this value, which must stay unchanged until it is written. */
  begin(value: Uint8Array): void {
    assert(value.length > 0, "a long value is not empty");
    assert(value.length <= TREE_VALUE_BYTES_MAX, "a value has at most 64 MiB");
    this.#value = value;
    this.#valueRuns = [];
    this.#isList = false;
    this.#plainLength = 0;
    this.#startWith(value);
    const compressor = overflowPages(value.length) > 1 ? this.#packing?.compressor : undefined;
    this.#packer = compressor && new ValuePacker(compressor, value);
  }

  /** Bytes compressed so far, of all values: what that costs is not seen in the log. */
  get packedBytes(): number {
    return this.#packedBytes;
  }

  /** Every run written so far. */
  get runs(): readonly Run<PageId>[] {
    return [...this.#valueRuns, ...this.#runs];
  }

  /**
   * Compresses the next block, or writes the next run.
   *
   * @returns Whether the value is complete.
   * @throws {PageMiss} before anything changed; call again.
   */
  step(): boolean {
    if (this.#packer !== undefined) {
      this.#pack(this.#packer);
      return false;
    }
    const total = overflowPages(this.#bytes.length);
    assert(this.#pagesDone < total, "there is something left to write");
    const writer = this.#writer;
    const wanted = Math.min(total - this.#pagesDone, writer.runPagesMax, RUN_PAGES_MAX);
    const run = writer.allocateRun(wanted);
    assert(run.count >= 1 && run.count <= wanted, "a run is no longer than asked for");
    writer.begin("pages");
    for (let page = 0; page < run.count; page++) {
      const id = (run.first + page) as PageId;
      writer.create(id, this.#view);
      formatPage(this.#view, id, PAGE_OVERFLOW);
      const from = (this.#pagesDone + page) * OVERFLOW_PAGE_BYTES;
      const part = this.#bytes.subarray(from, from + OVERFLOW_PAGE_BYTES);
      this.#view.u8.set(part, this.#view.base + PAGE_HEADER_BYTES);
    }
    writer.end();
    this.#remember(run);
    if (this.#pagesDone < total) return false;
    if (this.#isList || this.#runs.length <= DIRECT_RUNS_MAX) return true;
    this.#beginList();
    return false;
  }

  /** What the row is to name, once all is written. */
  finish(): OverflowValue {
    assert(this.#pagesDone === overflowPages(this.#bytes.length), "all pages are written");
    assert(this.#runs.length <= DIRECT_RUNS_MAX, "a cell has room for the runs");
    return {
      length: this.#value.length,
      plainLength: this.#plainLength,
      checksum: crc32(this.#value),
      runs: this.#runs,
      listedRuns: this.#valueRuns.length,
      freedRuns: 0,
    };
  }

  #pack(packer: ValuePacker): void {
    this.#packedBytes += packer.step();
    if (!packer.isDone) return;
    this.#packer = undefined;
    const packed = packer.result();
    if (packed === undefined) return;
    this.#plainLength = this.#value.length;
    this.#value = packed;
    this.#startWith(packed);
  }

  #startWith(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#runs = [];
    this.#pagesDone = 0;
  }

  #beginList(): void {
    this.#valueRuns = this.#runs;
    this.#isList = true;
    const list = new ByteWriter({ initialBytes: listBytes(this.#runs.length) });
    list.u32(0);
    writeRuns(list, this.#runs);
    list.patchU32(0, crc32(list.view(LIST_HEAD_BYTES)));
    this.#startWith(list.toBytes());
  }

  #remember(run: Run<PageId>): void {
    this.#pagesDone += run.count;
    const last = this.#runs.at(-1);
    if (last !== undefined && canJoin(last, run)) {
      this.#runs[this.#runs.length - 1] = { first: last.first, count: last.count + run.count };
    } else {
      this.#runs.push(run);
    }
  }
}

const NOTHING = new Uint8Array(0);

/** Whether two runs are one: neighbours, short enough, and under one bitmap page. */
function canJoin(first: Run<PageId>, second: Run<PageId>): boolean {
  const isNext = first.first + first.count === second.first;
  const isShort = first.count + second.count <= RUN_PAGES_MAX;
  return isNext && isShort && bitmapPageOf(first.first) === bitmapPageOf(second.first);
}
