import {
  AssertionFailure,
  type Compressors,
  type DataKeys,
  type Environment,
  KEY_BYTES,
  type Random,
  createRandom,
  isKvsError,
  noTestHooks,
  noTrace,
  pick,
} from "@kvs/env";
import { compareBytes, crc32 } from "@kvs/codec";
import { SimStorage, instantContext, toyCiphers, toyCompressors } from "@kvs/sim";

import { FragmentSealer } from "../../src/fragment-seal.ts";
import { RecordCompressor } from "../../src/record-compression.ts";
import { RecordOpener } from "../../src/record-opener.ts";
import { decodeRepair, encodeRepair } from "../../src/repair-file.ts";
import { noSabotage } from "../../src/sabotage.ts";
import { decodeSegmentHeader } from "../../src/segment-format.ts";
import { Wal } from "../../src/index.ts";
import { findTail } from "../../src/tail-repair.ts";
import { type WalRecord, WalReader } from "../../src/wal-reader.ts";
import { MemoryLog } from "../memory-log.ts";

/** What a fuzzed log is read with: nothing longer may be restored. */
const MAX_RECORD_BYTES = 4000;
const SEGMENT_BYTES = 1024;
/** No log of a sample can hold more records than bytes. */
const RECORDS_MAX = 16 * SEGMENT_BYTES;
/** Inputs that are opened as files: some twenty times the work of the others. */
const OPEN_CHANCE = 0.01;
const CODES: ReadonlySet<string> = new Set([
  "WAL_UNSUPPORTED",
  "WAL_DAMAGED",
  "WAL_KEY_UNKNOWN",
  "WAL_NOT_AUTHENTIC",
]);
/** Lengths and positions at which decoders go wrong. */
const EDGES: readonly number[] = [
  0,
  1,
  3,
  4,
  31,
  32,
  33,
  63,
  64,
  65,
  415,
  416,
  959,
  960,
  961,
  991,
  992,
  1024,
  4000,
  65_535,
  65_536,
  2 ** 24,
  2 ** 28,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 32,
  2 ** 32 - 1,
];

export interface FuzzOptions {
  readonly inputs: number;
  /** Default: 1. */
  readonly seed?: number;
}

/** How often each outcome was met: `whole`, `shorter`, `forged`, `torn`, `clean`, and codes of errors. */
export type FuzzOutcomes = ReadonlyMap<string, number>;

/** A valid log, and what it holds. */
interface Sample {
  readonly log: MemoryLog;
  readonly records: readonly WalRecord[];
  /** Where its fragments begin. */
  readonly starts: readonly number[];
  readonly isSealed: boolean;
}

/**
 * Changes valid logs at random (bits, bytes, lengths, pieces moved, ends cut, checksums put right in
 * half of the cases) and reads them with everything that decodes.
 *
 * @throws {AssertionFailure} naming seed and input, if anything but a typed error or the right records
 *   comes out. Without right checksums, or in a sealed log, only records that were appended are
 *   right, in their order; in an unsealed log with checksums put right, anything within the limits.
 */
export async function fuzzLog({ inputs, seed = 1 }: FuzzOptions): Promise<FuzzOutcomes> {
  const samples = await makeSamples(createRandom(seed).split("samples"));
  const outcomes = new Map<string, number>();
  for (let input = 0; input < inputs; input++) {
    const random = createRandom(seed * 0x1_0000_0000 + input);
    try {
      const outcome = await tryInput(pick(random, samples), random);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (error) {
      throw new AssertionFailure(
        `the decoders stand input ${input} of seed ${seed}: ${String(error)}`,
      );
    }
  }
  return outcomes;
}

const keys: DataKeys = {
  currentId: 1,
  cipherOf: (keyId) => (keyId <= 2 ? CIPHER : undefined),
};
const CIPHER = toyCiphers.aes256Gcm(new Uint8Array(KEY_BYTES).fill(7));

/** Compressors that refuse to be asked for more than any record may have. */
const compressors: Compressors = {
  zstd: guarded(toyCompressors.zstd),
  fast: guarded(toyCompressors.fast),
};

function guarded(compressor: Compressors["fast"]): Compressors["fast"] {
  return {
    ...compressor,
    decompress: (packed, plainBytes) => {
      expectThat(plainBytes <= MAX_RECORD_BYTES, "no more is restored than a record may have");
      return compressor.decompress(packed, plainBytes);
    },
  };
}

async function makeSamples(random: Random): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const isSealed of [false, true]) {
    for (const method of [undefined, "fast", "zstd"] as const) {
      for (const start of [0, 2 ** 32 - 1500]) {
        samples.push(await makeSample({ isSealed, method, start }, random));
      }
    }
  }
  return samples;
}

interface Shape {
  readonly isSealed: boolean;
  readonly method: "fast" | "zstd" | undefined;
  readonly start: number;
}

async function makeSample({ isSealed, method, start }: Shape, random: Random): Promise<Sample> {
  const log = new MemoryLog({
    start,
    segmentBytes: SEGMENT_BYTES,
    packing: (identity) => ({
      sealer: isSealed ? new FragmentSealer(keys, random, identity, noSabotage) : undefined,
      compressor: method === undefined ? undefined : new RecordCompressor(compressors, method, 40),
    }),
  });
  for (const length of [0, 20, 200, 1800, 5, 90, 64]) {
    const payload = new Uint8Array(length);
    for (let at = 0; at < length; at++) payload[at] = at % 40 < 25 ? 9 : random.nextUint32();
    log.buffer.append(1 + random.below(255), payload, 0, length);
    if (random.chance(0.6)) log.flush();
  }
  log.flush();
  const { fragments } = await log.walk();
  const starts = fragments.map((fragment) => fragment.start);
  const records: WalRecord[] = [];
  await readRecords(log, isSealed, records);
  expectThat(records.length === 7, "a sample reads as it was made");
  return { log, records, starts, isSealed };
}

/** Adds what it reads to `records`, also if it fails. */
async function readRecords(log: MemoryLog, isSealed: boolean, records: WalRecord[]): Promise<void> {
  const opener = new RecordOpener({
    source: log,
    compressors,
    keys,
    ...(isSealed && { sealedFrom: 0 }),
    maxRecordBytes: MAX_RECORD_BYTES,
    sabotage: noSabotage,
  });
  const limit = (): number => log.buffer.lsn;
  const from = log.start + 64;
  const reader = new WalReader({ source: log, from, opener, limit, mayBeginInside: true });
  await collect(reader, records);
}

async function collect(reader: WalReader, records: WalRecord[]): Promise<void> {
  for await (const batch of reader) {
    for (const record of batch) records.push({ ...record, payload: record.payload.slice() });
    expectThat(records.length <= RECORDS_MAX, "reading comes to an end");
  }
}

/** Opens the log as files, which may cut its tail, and reads it. */
async function openAndRead(
  { log, isSealed }: Sample,
  random: Random,
  records: WalRecord[],
): Promise<void> {
  const storage = new SimStorage({ random });
  for (const [base, bytes] of log.segments) {
    storage.writeFile(`log/${String(base).padStart(20, "0")}.wal`, bytes);
  }
  const environment = environmentOn(storage, random);
  const options = { keys, maxRecordBytes: MAX_RECORD_BYTES, segmentBytes: SEGMENT_BYTES };
  const wal = await Wal.open(environment, {
    path: "log",
    ...options,
    ...(isSealed && { sealedFrom: 0 }),
  });
  try {
    await collect(wal.scan(), records);
  } finally {
    await wal.close();
  }
}

function environmentOn(storage: SimStorage, random: Random): Environment {
  return {
    clock: {
      monotonicMs: () => 0,
      wallMs: () => 0,
      schedule: () => {
        throw new AssertionFailure("the log uses no timers");
      },
      defer: (action) => void setImmediate(action),
    },
    random,
    disk: storage.attach(instantContext(random)),
    network: undefined as never,
    ciphers: toyCiphers,
    compressors,
    trace: noTrace,
    hooks: noTestHooks,
  };
}

/** Changes a sample, reads it, puts it back. */
async function tryInput(sample: Sample, random: Random): Promise<string> {
  const { log } = sample;
  const originals = new Map([...log.segments].map(([base, bytes]) => [base, bytes.slice()]));
  const count = 1 + random.below(3);
  for (let at = 0; at < count; at++) mutate(sample, random);
  const isMended = random.chance(0.5);
  if (isMended) mend(sample, random);
  try {
    tryFiles(log, random);
    return await judge(sample, isMended, random);
  } finally {
    for (const [base, bytes] of originals) log.segments.set(base, bytes);
  }
}

function mutate({ log, starts }: Sample, random: Random): void {
  const base = pick(random, [...log.segments.keys()]);
  const bytes = log.segments.get(base)!;
  if (bytes.length < 64) return; // it was cut before
  const at = random.below(bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (random.below(7)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8);
      break;
    case 1:
      bytes[at] = random.nextUint32();
      break;
    case 2: {
      // A field of a fragment's header.
      const start = pick(random, starts);
      const segment = log.segments.get(log.geometry.baseOf(start))!;
      const field = start - log.geometry.baseOf(start) + 4 * random.below(8);
      if (field + 4 > segment.length) break;
      new DataView(segment.buffer).setUint32(field, pick(random, EDGES), true);
      break;
    }
    case 3:
      bytes.copyWithin(random.below(bytes.length), at, at + random.below(200));
      break;
    case 4:
      bytes.fill(random.chance(0.5) ? 0 : 0xff, at, at + random.below(300));
      break;
    case 5:
      log.segments.set(base, bytes.slice(0, at)); // a file that was cut
      break;
    default:
      view.setUint32(4 * random.below(16), pick(random, EDGES), true); // of the segment's header
  }
}

/** Puts the checksums right of the fragments that were there, and of segment headers. */
function mend({ log, starts }: Sample, random: Random): void {
  for (const start of starts) {
    const base = log.geometry.baseOf(start);
    const bytes = log.segments.get(base)!;
    const offset = start - base;
    if (offset + 32 > bytes.length) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = offset + 32 + view.getUint32(offset + 4, true);
    if (end > bytes.length) continue;
    view.setUint32(offset, crc32(bytes.subarray(offset + 4, end), log.identity.seed), true);
  }
  for (const bytes of log.segments.values()) {
    if (bytes.length < 64 || random.chance(0.5)) continue;
    new DataView(bytes.buffer).setUint32(60, crc32(bytes.subarray(0, 52)), true);
  }
}

async function judge(sample: Sample, isMended: boolean, random: Random): Promise<string> {
  const { log, records, isSealed } = sample;
  if (random.chance(0.5)) return judgeTail(log);
  const isOpened = random.chance(OPEN_CHANCE);
  const found: WalRecord[] = [];
  const code = await orCode(() =>
    isOpened ? openAndRead(sample, random, found) : readRecords(log, isSealed, found),
  );
  const isForged = isMended && !isSealed;
  for (const [at, record] of found.entries()) {
    expectThat(record.payload.length <= MAX_RECORD_BYTES, "a record is within the limits");
    expectThat(record.lsn > record.start, "a record ends behind its start");
    if (!isForged) expectThat(isSame(record, records[at]), "a record is what was appended");
  }
  if (code !== undefined) return code;
  if (found.length < records.length) return "shorter";
  return found.every((record, at) => isSame(record, records[at])) ? "whole" : "forged";
}

async function judgeTail(log: MemoryLog): Promise<string> {
  const tail = await orCode(() => findTail(log, noTestHooks));
  if (typeof tail === "string") return tail;
  expectThat(tail.lsn <= log.lastBase + SEGMENT_BYTES, "a log ends within its segments");
  expectThat(tail.provenLsn <= tail.lsn, "what is proven lies before the end");
  return tail.isTorn ? "torn" : "clean";
}

function isSame(found: WalRecord, expected: WalRecord | undefined): boolean {
  if (expected === undefined || found.kind !== expected.kind) return false;
  const isInPlace = found.start === expected.start && found.lsn === expected.lsn;
  return isInPlace && compareBytes(found.payload, expected.payload) === 0;
}

/** The small decoders, on bytes of the log and on a changed intent. */
function tryFiles(log: MemoryLog, random: Random): void {
  for (const bytes of log.segments.values()) {
    const header = decodeSegmentHeader(bytes);
    if (header === undefined) continue;
    expectThat(Number.isSafeInteger(header.base + header.previousLsn), "positions are integers");
  }
  const content = random.fill(new Uint8Array(random.below(40)));
  const from = random.below(1 << 30);
  const { logId } = log.identity;
  const intent = encodeRepair({ from, content, isCut: random.chance(0.5) }, logId);
  const at = random.below(intent.length);
  intent[at]! ^= 1 + random.below(255);
  const decoded = decodeRepair(random.chance(0.5) ? intent : intent.subarray(0, at), logId);
  if (decoded === undefined) return;
  expectThat(at >= 40 && at < 48, "an intent that was changed is none, but for its mark");
  expectThat(decoded === "done" || decoded.from === from, "an intent is what was written");
}

async function orCode<T>(body: () => Promise<T>): Promise<T | string> {
  try {
    return await body();
  } catch (error) {
    if (isKvsError(error) && CODES.has(error.code)) return error.code;
    throw error;
  }
}

function expectThat(condition: boolean, what: string): void {
  if (!condition) throw new AssertionFailure(what);
}
