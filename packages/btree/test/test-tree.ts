import { expect } from "vitest";
import { type Random, pick } from "@kvs/env";
import { ByteWriter } from "@kvs/codec";
import { type PageId } from "@kvs/pager";
import { type TreeReport, checkTree } from "../src/check.ts";
import { Cursor } from "../src/cursor.ts";
import { Descent } from "../src/descent.ts";
import { OverflowReader } from "../src/overflow-reader.ts";
import { isLongValue, readOverflow, writeOverflow } from "../src/overflow-value.ts";
import { OverflowWriter } from "../src/overflow-writer.ts";
import { PageEditor } from "../src/page-editor.ts";
import { NEWEST_VERSION, Probe } from "../src/probe.ts";
import { RowFinder } from "../src/row-finder.ts";
import { type RowValue } from "../src/row.ts";
import {
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  cellValueAt,
  cellValueLength,
  entryInfo,
  leafVersion,
} from "../src/tree-page.ts";
import { type TreeState, newTreeState } from "../src/tree-state.ts";
import { TreeWriter, type TreeWriterOptions } from "../src/tree-writer.ts";
import { type MemoryPages } from "./memory-pages.ts";

const TREE_ID = 7;

/** A row as a test sees it; no value is a tombstone. */
export interface Row {
  readonly key: Uint8Array;
  readonly version: number;
  readonly value: Uint8Array | undefined;
}

/** A tree over pages in memory, with every operation run to its end. */
export class TestTree {
  readonly pages: MemoryPages;
  readonly state: TreeState;
  readonly writer: TreeWriter;
  readonly #probe = new Probe();
  readonly #finder: RowFinder;
  readonly #descent: Descent;
  readonly #overflow: OverflowWriter;

  constructor(pages: MemoryPages, options: TreeWriterOptions = {}) {
    this.pages = pages;
    const rootId = pages.addPage((view, id) => {
      const shape = { id, level: 0, treeId: TREE_ID, next: 0 as PageId, firstChild: 0 as PageId };
      new PageEditor().format(view, shape, new Uint8Array(0));
    });
    this.state = newTreeState(TREE_ID, rootId);
    this.writer = new TreeWriter(this.state, pages, pages, options);
    this.#finder = new RowFinder(pages);
    this.#descent = new Descent(this.state, pages);
    this.#overflow = new OverflowWriter(pages);
  }

  /** Inserts a row; no value makes a tombstone. */
  insert(key: Uint8Array, version: number, value: Uint8Array | undefined, horizon = -1): void {
    const row = this.#rowOf(key, value);
    this.writer.begin(this.#probe.set(key, key.length, version));
    this.#untilDone(() => this.writer.insert(row, horizon));
  }

  remove(key: Uint8Array, version: number): void {
    this.writer.begin(this.#probe.set(key, key.length, version));
    this.#untilDone(() => this.writer.remove(true));
  }

  vacuumAt(key: Uint8Array, horizon: number): void {
    this.writer.begin(this.#probe.set(key, key.length, NEWEST_VERSION));
    this.#untilDone(() => this.writer.vacuum(horizon));
  }

  /** Vacuums every leaf, from left to right. */
  vacuumAll(horizon: number): void {
    const descent = new Descent(this.state, this.pages);
    let key: Uint8Array = new Uint8Array(0);
    let version = NEWEST_VERSION;
    for (;;) {
      const probe = new Probe().set(key, key.length, version);
      this.writer.begin(probe);
      this.#untilDone(() => this.writer.vacuum(horizon));
      descent.probe.copyFrom(probe);
      descent.restart();
      this.pages.run(() => descent.reachWithFences(0));
      if (!descent.high.isFinite) return;
      key = descent.high.bytes.slice(0, descent.high.length);
      version = descent.high.version;
    }
  }

  /** The newest row of the key at or before the version. */
  find(key: Uint8Array, version = NEWEST_VERSION): Row | undefined {
    const probe = this.#probe.set(key, key.length, version);
    const finder = this.#finder;
    this.#descent.probe.copyFrom(probe);
    this.#descent.restart();
    const place = this.pages.run(() => {
      if (!finder.findBy(this.#descent)) return undefined;
      const from = cellValueAt(finder.view, finder.slot);
      return {
        info: entryInfo(finder.view, finder.slot),
        version: leafVersion(finder.view, finder.slot),
        bytes: finder.view.u8.slice(from, from + cellValueLength(finder.view, finder.slot)),
      };
    });
    if (place === undefined) return undefined;
    return { key, version: place.version, value: this.valueOf(place.info, place.bytes) };
  }

  /** Whether the fast way finds a row; all pages must be resident. */
  findFast(key: Uint8Array, version: number): number | undefined {
    const found = this.#finder.find(this.state, this.#probe.set(key, key.length, version));
    return found ? leafVersion(this.#finder.view, this.#finder.slot) : undefined;
  }

  cursor(key: Uint8Array, version = NEWEST_VERSION): Cursor {
    const cursor = new Cursor(this.state, this.pages);
    cursor.place(new Probe().set(key, key.length, version));
    return cursor;
  }

  /** The row that a cursor stands on. */
  rowAt(cursor: Cursor): Row {
    return {
      key: cursor.key.slice(0, cursor.keyBytes),
      version: cursor.version,
      value: this.valueOf(entryInfo(cursor.view, cursor.slot), cursor.valueView().slice()),
    };
  }

  /** Every row, in order. */
  rows(): Row[] {
    const cursor = this.cursor(new Uint8Array(0));
    const rows: Row[] = [];
    while (this.pages.run(() => cursor.next())) rows.push(this.rowAt(cursor));
    return rows;
  }

  valueOf(info: number, bytes: Uint8Array): Uint8Array | undefined {
    if ((info & INFO_TOMBSTONE) !== 0) return undefined;
    if ((info & INFO_OVERFLOW) === 0) return bytes;
    const reader = new OverflowReader(this.pages, readOverflow(bytes, 0, bytes.length), undefined);
    return this.pages.run(() => reader.read());
  }

  /** Expects the tree to be sound, to own every page in use, and redo to have made the same pages. */
  async check(): Promise<TreeReport> {
    const report = await checkTree(this.state, this.pages, this.pages.attempt);
    expect(report.findings).toEqual([]);
    const owned = [...report.pages];
    for (const { first, count } of report.runs) {
      for (let page = 0; page < count; page++) owned.push((first + page) as PageId);
    }
    expect(owned.toSorted((a, b) => a - b)).toEqual(this.pages.usedPages());
    this.pages.compareWithTwins();
    return report;
  }

  #rowOf(key: Uint8Array, value: Uint8Array | undefined): RowValue {
    if (value === undefined) return { flags: INFO_TOMBSTONE, bytes: NOTHING, from: 0, to: 0 };
    if (!isLongValue(key.length, value.length)) {
      return { flags: 0, bytes: value, from: 0, to: value.length };
    }
    this.#overflow.begin(value);
    this.#untilDone(() => this.#overflow.step());
    const descriptor = new ByteWriter();
    writeOverflow(descriptor, this.#overflow.finish());
    const bytes = descriptor.toBytes();
    return { flags: INFO_OVERFLOW, bytes, from: 0, to: bytes.length };
  }

  #untilDone(step: () => boolean): void {
    for (let steps = 0; !this.pages.run(step); steps++) {
      if (steps > 10_000) throw new Error("an operation did not come to an end");
    }
  }
}

const NOTHING = new Uint8Array(0);

/** The order of rows. */
export function compareRows(a: Row, b: Row): number {
  return Buffer.compare(a.key, b.key) || b.version - a.version;
}

/** What a tree should hold: rows in order, in an array. */
export class Model {
  readonly rows: Row[] = [];

  insert(row: Row): void {
    const at = this.#lowerBound(row);
    const isSame = at < this.rows.length && compareRows(this.rows[at]!, row) === 0;
    this.rows.splice(at, isSame ? 1 : 0, row);
  }

  remove(key: Uint8Array, version: number): void {
    const row = { key, version, value: undefined };
    const at = this.#lowerBound(row);
    if (at < this.rows.length && compareRows(this.rows[at]!, row) === 0) this.rows.splice(at, 1);
  }

  /** The newest row of the key at or before the version. */
  find(key: Uint8Array, version = NEWEST_VERSION): Row | undefined {
    const row = this.rows[this.#lowerBound({ key, version, value: undefined })];
    return row !== undefined && Buffer.compare(row.key, key) === 0 ? row : undefined;
  }

  /** What a reader at this version sees, in order of keys. */
  visibleAt(version: number): Row[] {
    return visibleAt(this.rows, version);
  }

  #lowerBound(row: Row): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRows(this.rows[middle]!, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Expects rows to be the same; far quicker than `toEqual`, which tells how they differ. */
export function expectSameRows(found: readonly Row[], expected: readonly Row[]): void {
  const isSame =
    found.length === expected.length && found.every((row, at) => isSameRow(row, expected[at]!));
  if (!isSame) expect(found).toEqual(expected);
}

function isSameRow(a: Row, b: Row): boolean {
  if (compareRows(a, b) !== 0) return false;
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return Buffer.compare(a.value, b.value) === 0;
}

/** Of rows in order, those that a reader at this version sees. */
export function visibleAt(rows: readonly Row[], version: number): Row[] {
  const visible: Row[] = [];
  let last: Uint8Array | undefined;
  for (const row of rows) {
    if (row.version > version) continue;
    if (last !== undefined && Buffer.compare(last, row.key) === 0) continue;
    last = row.key;
    if (row.value !== undefined) visible.push(row);
  }
  return visible;
}

/** The bytes of a text. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Keys of every kind that gave B-trees trouble. */
export function drawKey(random: Random): Uint8Array {
  const shape = random.below(9);
  switch (shape) {
    case 0:
      return new Uint8Array(0);
    case 1:
      return new Uint8Array(random.below(7)).fill(pick(random, [0, 0xff]));
    case 2: {
      // prefixes of each other
      const length = random.below(40);
      return utf8("abababababababababababababababababababab").slice(0, length);
    }
    case 3: {
      // a long common prefix
      const key = new Uint8Array(200 + random.below(3)).fill(0x61);
      key[199] = random.below(40);
      return key;
    }
    case 4: {
      const key = new Uint8Array(1100).fill(0x62);
      key[1099] = random.below(30);
      return key;
    }
    case 5:
      return random.fill(new Uint8Array(random.below(4)));
    case 6: {
      const key = new Uint8Array(2 + random.below(8));
      for (let at = 0; at < key.length; at++) key[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff]);
      return key;
    }
    case 7:
      return utf8(`user:${random.below(3)}:${String(random.below(200)).padStart(6, "0")}`);
    default:
      return utf8(`key_${random.below(300)}`);
  }
}

/** Values of every size that matters, mostly short. */
export function drawValue(random: Random, keyBytes: number): Uint8Array | undefined {
  const edge = 1000 - 9 - keyBytes;
  const sizes = [0, 1, 16, 17, edge - 1, edge, edge + 1, 4031, 4032, 4033, 8063, 8064, 8065];
  const shape = random.below(12);
  if (shape < 2) return undefined;
  let size = random.below(120);
  if (shape < 4) size = Math.max(0, pick(random, sizes));
  else if (shape === 4) size = random.below(20) === 0 ? random.below(100_000) : random.below(900);
  return random.fill(new Uint8Array(size));
}
