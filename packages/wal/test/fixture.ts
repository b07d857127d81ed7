import {
  type Clock,
  type Environment,
  type Random,
  type TestHooks,
  createRandom,
  noTestHooks,
  noTrace,
} from "@kvs/env";
import {
  type DiskCall,
  type DiskVerdict,
  SimStorage,
  instantContext,
  toyCiphers,
  toyCompressors,
} from "@kvs/sim";
import { expect } from "vitest";

import { Wal, type WalOptions, type WalRecord } from "../src/index.ts";

export const PATH = "log";

export interface WorldOptions {
  readonly hooks?: Partial<TestHooks>;
  readonly onCall?: (call: DiskCall) => DiskVerdict | undefined;
  readonly random?: Random;
}

/** An environment whose disk is `storage`, without time: what is deferred runs when all is quiet. */
export function environmentOn(storage: SimStorage, options: WorldOptions = {}): Environment {
  const { onCall, hooks, random = createRandom(1) } = options;
  const extras = onCall === undefined ? {} : { onCall };
  return {
    clock,
    random: random.split("environment"),
    disk: storage.attach(instantContext(random.split("disk"), extras)),
    network: undefined as never,
    ciphers: toyCiphers,
    compressors: toyCompressors,
    trace: noTrace,
    hooks: { ...noTestHooks, ...hooks },
  };
}

const clock: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  schedule: () => {
    throw new Error("the log uses no timers");
  },
  defer: (action) => void setImmediate(action),
};

export function newStorage(seed = 1): SimStorage {
  return new SimStorage({ random: createRandom(seed) });
}

/** Small segments, so that a short test crosses many. */
const SMALL: WalOptions = { path: PATH, segmentBytes: 4096 };

export function openWal(
  storage: SimStorage,
  options: Partial<WalOptions> = {},
  world: WorldOptions = {},
): Promise<Wal> {
  return Wal.open(environmentOn(storage, world), { ...SMALL, ...options });
}

/** Every record of the log, copied. */
export async function readAll(wal: Wal, from?: number): Promise<WalRecord[]> {
  const records: WalRecord[] = [];
  for await (const batch of wal.scan(from)) {
    for (const record of batch) records.push({ ...record, payload: record.payload.slice() });
  }
  return records;
}

/** Bytes that tell which record they belong to. */
export function payloadOf(index: number, length: number): Uint8Array {
  const payload = new Uint8Array(length);
  for (let at = 0; at < length; at++) payload[at] = (index * 31 + at * 7 + (at >>> 8)) & 0xff;
  if (length >= 4) new DataView(payload.buffer).setUint32(0, index, true);
  return payload;
}

export function walError(code: string): unknown {
  return expect.objectContaining({ code });
}
