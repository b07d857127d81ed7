import { type SimStorage } from "@kvs/sim";
import { assert } from "@kvs/env";
import { compareBytes } from "@kvs/codec";

import { type Wal, type WalOptions, type WalRecord } from "../src/index.ts";
import { type WorldOptions, openWal, readAll } from "./fixture.ts";

/** What the log must hold, and may hold, at one moment. */
export interface Expectation {
  /** Everything appended and not cut, in order. */
  readonly records: readonly WalRecord[];
  /** Where the empty log ends. */
  readonly origin: number;
  /** Acknowledged up to here. */
  readonly ackedLsn: number;
  /** Records that end at or before this position may be missing. */
  readonly droppedBefore: number;
  /** Where a cut under way would end the log. */
  readonly cutting: number | undefined;
}

/** Follows one log and says what a crash may leave of it. */
export class LogModel {
  readonly origin: number;
  records: WalRecord[] = [];
  ackedLsn: number;
  droppedBefore: number;
  cutting: number | undefined;

  constructor(origin: number) {
    this.origin = origin;
    this.ackedLsn = origin;
    this.droppedBefore = origin;
  }

  get endLsn(): number {
    return this.records.at(-1)?.lsn ?? this.origin;
  }

  append(wal: Wal, kind: number, payload: Uint8Array): WalRecord {
    const lsn = wal.append(kind, payload);
    const record = { kind, start: wal.lastStart, lsn, payload };
    this.records = [...this.records, record];
    return record;
  }

  /** Takes what a reopened log holds for what it must hold from now on. */
  adopt(wal: Wal): void {
    this.records = this.records.filter(({ lsn }) => lsn <= wal.endLsn);
    this.ackedLsn = wal.endLsn;
    this.cutting = undefined;
  }

  expectation(): Expectation {
    const { records, origin, ackedLsn, droppedBefore, cutting } = this;
    return { records, origin, ackedLsn, droppedBefore, cutting };
  }
}

/** Opens the log that a crash left, checks what it holds, and closes it. */
export async function checkImage(
  image: SimStorage,
  expectation: Expectation,
  options: Partial<WalOptions> = {},
  world: WorldOptions = {},
): Promise<void> {
  const wal = await openWal(image, options, world);
  try {
    await checkLog(wal, expectation);
  } finally {
    await wal.close();
  }
}

/** Checks that the log holds every acknowledged record, then some others in order, nothing else. */
export async function checkLog(wal: Wal, expectation: Expectation): Promise<void> {
  const { records, origin, ackedLsn, droppedBefore, cutting } = expectation;
  const found = await readAll(wal);
  const ends = [origin, ...records.map(({ lsn }) => lsn)];
  assert(ends.includes(wal.endLsn), `the log ends at a record's end, not at ${wal.endLsn}`);
  const isCut = wal.endLsn === cutting;
  assert(isCut || wal.endLsn >= ackedLsn, `acknowledged up to ${ackedLsn}, not ${wal.endLsn}`);
  const must = records.filter(({ lsn }) => lsn > droppedBefore && lsn <= wal.endLsn);
  const may = records.filter(({ lsn }) => lsn <= wal.endLsn);
  assert(found.length >= must.length, `${must.length} records, not ${found.length}`);
  assert(found.length <= may.length, `at most ${may.length} records, not ${found.length}`);
  const expected = may.slice(may.length - found.length);
  for (const [at, record] of found.entries()) assertSame(record, expected[at]!);
}

function assertSame(found: WalRecord, expected: WalRecord): void {
  assert(found.lsn === expected.lsn, `a record ends at ${expected.lsn}, not ${found.lsn}`);
  assert(found.start === expected.start, `a record begins at ${expected.start}`);
  assert(found.kind === expected.kind, `a record has kind ${expected.kind}, not ${found.kind}`);
  const isSame = compareBytes(found.payload, expected.payload) === 0;
  assert(isSame, `the record at ${found.start} has the payload appended`);
}
