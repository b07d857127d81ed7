import { type Disk, type File, createRandom } from "@kvs/env";

import {
  type DiskCall,
  type DiskContext,
  type DiskFaultPlan,
  type DiskVerdict,
  instantContext,
} from "../../src/disk/disk-faults.ts";
import { SimStorage, type SimStorageOptions } from "../../src/disk/sim-storage.ts";

/** A disk of its own with one process, and a verdict the test may set for the next calls. */
export interface ToyDisk {
  readonly storage: SimStorage;
  readonly disk: Disk;
  readonly calls: DiskCall[];
  /** Answers for calls to come, by operation; each is used once. */
  readonly verdicts: Map<string, DiskVerdict>;
}

export function makeToyDisk(options: Partial<SimStorageOptions> = {}): ToyDisk {
  const storage = new SimStorage({ random: createRandom(1), ...options });
  const calls: DiskCall[] = [];
  const verdicts = new Map<string, DiskVerdict>();
  const onCall = (call: DiskCall): DiskVerdict | undefined => {
    calls.push(call);
    const verdict = verdicts.get(call.operation);
    verdicts.delete(call.operation);
    return verdict;
  };
  const disk = storage.attach(instantContext(createRandom(2), { onCall }));
  return { storage, disk, calls, verdicts };
}

/** A new file whose name is stored. */
export async function makeFile(disk: Disk, path: string, bytes?: Uint8Array): Promise<File> {
  const file = await disk.open(path, { create: "exclusive" });
  await disk.syncDirectory("/");
  if (bytes !== undefined) await file.writeDurableAt(bytes, 0);
  return file;
}

/** A context whose calls happen when the test says so, in the order of their delays. */
export class ManualContext implements DiskContext {
  readonly random = createRandom(3);
  readonly plan: DiskFaultPlan;
  now = 0;
  readonly #waiting: { readonly at: number; readonly action: () => void }[] = [];

  constructor(plan: DiskFaultPlan = {}) {
    this.plan = plan;
  }

  after(delayMicros: number, action: () => void): void {
    this.#waiting.push({ at: this.now + delayMicros, action });
    this.#waiting.sort((a, b) => a.at - b.at);
  }

  /** Runs the next due action and lets everything that waits for it go on. */
  async step(): Promise<boolean> {
    const next = this.#waiting.shift();
    if (next === undefined) return false;
    this.now = next.at;
    next.action();
    await Promise.resolve();
    return true;
  }

  async runAll(): Promise<void> {
    while (await this.step());
  }

  /** Runs everything until `promise` settles. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    const state = { isSettled: false };
    const settled = promise.finally(() => {
      state.isSettled = true;
    });
    settled.catch(() => undefined);
    let idle = 0;
    while (!state.isSettled && idle < 1000) idle = (await this.step()) ? 0 : idle + 1;
    return settled;
  }
}

export function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** A promise's fate after every microtask ran: its value, its error, or that it still waits. */
export async function fateOf(promise: Promise<unknown>): Promise<unknown> {
  let fate: unknown = "waiting";
  promise.then(
    (value) => (fate = value),
    (error: unknown) => (fate = error),
  );
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return fate;
}
