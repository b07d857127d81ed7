import {
  type Clock,
  createRandom,
  type Environment,
  noTestHooks,
  noTrace,
  type Random,
} from "@kvs/env";
import {
  type DiskCall,
  type DiskVerdict,
  instantContext,
  SimStorage,
  toyCiphers,
  toyCompressors,
} from "@kvs/sim";

import { WalLogStore, type WalLogStoreOptions } from "../src/wal/wal-log-store.ts";

export interface WorldOptions {
  readonly mutant?: string;
  readonly onCall?: (call: DiskCall) => DiskVerdict | undefined;
  readonly random?: Random;
}

const clock: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  schedule: () => {
    throw new Error("the log uses no timers");
  },
  defer: (action) => void setImmediate(action),
};

/** An environment whose disk is `storage`, without time. */
export function environmentOn(storage: SimStorage, options: WorldOptions = {}): Environment {
  const { onCall, random = createRandom(1), mutant } = options;
  const extras = onCall === undefined ? {} : { onCall };
  return {
    clock,
    random: random.split("environment"),
    disk: storage.attach(instantContext(random.split("disk"), extras)),
    network: undefined as never,
    ciphers: toyCiphers,
    compressors: toyCompressors,
    trace: noTrace,
    hooks: { ...noTestHooks, hasMutant: (name) => name === mutant },
  };
}

export function newStorage(seed = 1): SimStorage {
  return new SimStorage({ random: createRandom(seed) });
}

/** Small segments, so that a short test crosses many. */
export function openStore(
  storage: SimStorage,
  options: Partial<WalLogStoreOptions> = {},
  world: WorldOptions = {},
): Promise<WalLogStore> {
  const settings = { path: "raft", segmentBytes: 4096, readCacheBytes: 2000, ...options };
  return WalLogStore.open(environmentOn(storage, world), settings);
}
