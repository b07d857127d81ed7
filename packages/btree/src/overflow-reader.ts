import { crc32 } from "@kvs/codec";
import { assert } from "@kvs/env";
import {
  PAGE_HEADER_BYTES,
  PAGE_OVERFLOW,
  type PageId,
  PageView,
  type Run,
  pageType,
} from "@kvs/pager";
import { damagedValue } from "./btree-error.ts";
import {
  LIST_HEAD_BYTES,
  OVERFLOW_PAGE_BYTES,
  type OverflowValue,
  countPages,
  listBytes,
  overflowPages,
  readRuns,
} from "./overflow-value.ts";
import { type ValuePacking, unpackValue } from "./overflow-packing.ts";
import { type PageReader } from "./page-writer.ts";

/** Reads a long value, page by page; it survives page misses. */
export class OverflowReader {
  readonly #pages: PageReader;
  readonly #value: OverflowValue;
  readonly #packing: ValuePacking | undefined;
  readonly #list: RunList;
  #bytes: RunBytes | undefined = undefined;

  /**
   * @param value As read from a cell; of a row that can be read, so that nothing of it is freed.
   * @param packing What restores compressed values; `undefined` where there are none.
   */
  constructor(pages: PageReader, value: OverflowValue, packing: ValuePacking | undefined) {
    this.#pages = pages;
    this.#value = value;
    this.#packing = packing;
    this.#list = new RunList(pages, value);
  }

  /**
   * Reads on to the end.
   *
   * @returns The value, in bytes of its own.
   * @throws {PageMiss}: call again. {KvsError} `BTREE_DAMAGED_VALUE`.
   */
  read(): Uint8Array {
    const bytes = this.readStored();
    const { plainLength } = this.#value;
    return plainLength === 0 ? bytes : unpackValue(bytes, plainLength, this.#packing);
  }

  /** As `read`, but compressed if it is kept so. */
  readStored(): Uint8Array {
    const runs = this.#list.read();
    this.#bytes ??= new RunBytes(this.#pages, runs, this.#value.length);
    const bytes = this.#bytes.read();
    if (crc32(bytes) !== this.#value.checksum) {
      throw damagedValue("a checksum that does not match", { length: bytes.length });
    }
    return bytes;
  }
}

/** Finds the runs of a long value, which may be listed in pages of their own. */
export class RunList {
  readonly #value: OverflowValue;
  readonly #bytes: RunBytes | undefined;
  #runs: readonly Run<PageId>[] | undefined;

  constructor(pages: PageReader, value: OverflowValue) {
    const { listedRuns, runs } = value;
    this.#value = value;
    const isListed = listedRuns > 0;
    this.#bytes = isListed ? new RunBytes(pages, runs, listBytes(listedRuns)) : undefined;
    this.#runs = isListed ? undefined : runs;
  }

  /**
   * The value's runs, freed ones included.
   *
   * @throws {PageMiss}: call again. {KvsError} `BTREE_DAMAGED_VALUE`.
   */
  read(): readonly Run<PageId>[] {
    if (this.#runs === undefined) {
      assert(this.#bytes !== undefined, "runs that are not in the descriptor are listed");
      this.#runs = decodeList(this.#bytes.read(), this.#value);
    }
    return this.#runs;
  }
}

function decodeList(bytes: Uint8Array, value: OverflowValue): readonly Run<PageId>[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== crc32(bytes.subarray(LIST_HEAD_BYTES))) {
    throw damagedValue("a list of pages whose checksum does not match");
  }
  const runs = readRuns(bytes, LIST_HEAD_BYTES, value.listedRuns);
  if (countPages(runs) !== overflowPages(value.length)) {
    throw damagedValue("a list of the wrong pages", { length: value.length });
  }
  return runs;
}

/** The first `length` bytes that runs of overflow pages hold. */
class RunBytes {
  readonly #pages: PageReader;
  readonly #runs: readonly Run<PageId>[];
  readonly #target: Uint8Array;
  readonly #view = new PageView();
  #run = 0;
  #page = 0;
  #done = 0;

  constructor(pages: PageReader, runs: readonly Run<PageId>[], length: number) {
    this.#pages = pages;
    this.#runs = runs;
    this.#target = new Uint8Array(length);
  }

  read(): Uint8Array {
    for (; this.#run < this.#runs.length; this.#run++, this.#page = 0) {
      const run = this.#runs[this.#run]!;
      for (; this.#page < run.count; this.#page++) this.#copy((run.first + this.#page) as PageId);
    }
    assert(this.#done === this.#target.length, "the runs hold exactly the bytes");
    return this.#target;
  }

  #copy(id: PageId): void {
    this.#pages.fetch(id, this.#view);
    if (pageType(this.#view) !== PAGE_OVERFLOW) {
      throw damagedValue(`page ${id} is of another type`, { page: id });
    }
    const from = this.#view.base + PAGE_HEADER_BYTES;
    const count = Math.min(OVERFLOW_PAGE_BYTES, this.#target.length - this.#done);
    this.#target.set(this.#view.u8.subarray(from, from + count), this.#done);
    this.#done += count;
  }
}
