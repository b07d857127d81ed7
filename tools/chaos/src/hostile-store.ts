import {
  type Environment,
  KvsError,
  MemoryDisk,
  createRandom,
  readFullyAt,
  writeFullyAt,
} from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { Store } from "@kvs/txn";
import { type Damage, PAGES_NAME, type StoreFiles, damage } from "./hostile-files.ts";
import { textOf } from "./workload.ts";

const PATH = "store";
const OPTIONS = { path: PATH, memoryBytes: 64 * 4096, segmentBytes: 64 << 10 };
const BATCHES = 220;
const KEYS = 90;
/** Batches written into a damaged store that opened. */
const WRITES = 5;

/** What became of one damaged store: the codes of its errors, and what nobody may see. */
export interface HostileOutcome {
  /** `open WAL_DAMAGED`, `scan PAGER_CORRUPT_PAGE`, `sound`; errors without a code by their name. */
  readonly outcomes: readonly string[];
  readonly violations: readonly string[];
}

/**
 * Opens stores whose files were changed, reads, checks and writes them. After an accident a store says
 * what is damaged, or answers what was written. A forgery may bring other values to light; but it too
 * ends, with an answer or an error.
 */
export class HostileStores {
  /** Each key's values, ever. */
  readonly #written = new Map<string, Set<string>>();
  /** Closed in good order; left by a crash. */
  readonly #originals: StoreFiles[] = [];

  static async create(): Promise<HostileStores> {
    const stores = new HostileStores();
    for (const isClosed of [true, false]) stores.#originals.push(await stores.#make(isClosed));
    return stores;
  }

  /** Damages a store as the seed says, and tries it. */
  async try(seed: number): Promise<HostileOutcome> {
    const random = createRandom(seed);
    const damaged = damage(this.#originals[random.below(this.#originals.length)]!, random);
    const trial = new Trial(damaged, this.#written);
    await trial.run(await load(damaged.files));
    return trial;
  }

  async #make(isClosed: boolean): Promise<StoreFiles> {
    const disk = new MemoryDisk();
    const store = await Store.open(environmentOf(disk), OPTIONS);
    for (let batch = 0; batch < BATCHES; batch++) {
      const key = `key ${(batch * 7) % KEYS}`;
      const value = `${batch};`.repeat(1 + (batch % 17 === 0 ? 4000 : (batch * 13) % 150));
      this.#written.set(key, (this.#written.get(key) ?? new Set()).add(value));
      const gone = `key ${(batch * 3) % KEYS}`;
      await store.batch([
        { type: "put", key: Buffer.from(key), value: Buffer.from(value) },
        ...(batch % 5 === 0 && gone !== key
          ? [{ type: "delete" as const, key: Buffer.from(gone) }]
          : []),
      ]);
      if (batch === BATCHES / 2) await store.checkpoint();
    }
    if (isClosed) await store.close();
    const files = await filesOf(disk);
    if (!isClosed) await store.close();
    return files;
  }
}

class Trial implements HostileOutcome {
  readonly outcomes: string[] = [];
  readonly violations: string[] = [];
  readonly #damage: Damage;
  readonly #written: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(damaged: Damage, written: ReadonlyMap<string, ReadonlySet<string>>) {
    this.#damage = damaged;
    this.#written = written;
  }

  async run(disk: MemoryDisk): Promise<void> {
    let store: Store | undefined;
    const isOpen = await this.#step("open", async () => {
      store = await Store.open(environmentOf(disk), OPTIONS);
    });
    if (!isOpen || store === undefined) return;
    const opened = store;
    await this.#step("scan", () => this.#scan(opened));
    await this.#step("check", () => opened.check());
    await this.#step("write", () => this.#write(opened));
    await this.#step("close", () => opened.close());
    if (this.outcomes.length === 0) this.outcomes.push("sound");
  }

  async #step(name: string, body: () => Promise<unknown>): Promise<boolean> {
    try {
      await body();
      return true;
    } catch (error) {
      const { isForged, what } = this.#damage;
      if (error instanceof KvsError) this.outcomes.push(`${name} ${error.code}`);
      else if (isForged) this.outcomes.push(`${name} without a code`);
      else this.violations.push(`${what}: ${name}: ${String(error)}`);
      return false;
    }
  }

  async #scan(store: Store): Promise<void> {
    for await (const { key, value } of store.scan()) {
      if (this.#damage.isForged) continue;
      const name = textOf(key);
      if (this.#written.get(name)?.has(textOf(value)) === true) continue;
      this.violations.push(`${this.#damage.what}: a value of ${name} that nobody wrote`);
    }
  }

  async #write(store: Store): Promise<void> {
    for (let write = 0; write < WRITES; write++) {
      const value = Buffer.alloc(write * 700, write);
      await store.batch([
        { type: "put", key: Buffer.from(`key ${write * 17}`), value },
        { type: "delete", key: Buffer.from(`key ${write * 11}`) },
      ]);
    }
    await store.checkpoint();
  }
}

function environmentOf(disk: MemoryDisk): Environment {
  return { ...createNodeEnvironment(), disk };
}

async function filesOf(disk: MemoryDisk): Promise<StoreFiles> {
  const segments = await disk.list(`${PATH}/log`);
  const files = new Map<string, Uint8Array>();
  for (const name of [PAGES_NAME, ...segments.map((segment) => `log/${segment}`)]) {
    const file = await disk.open(`${PATH}/${name}`, { readOnly: true });
    const bytes = new Uint8Array(await file.size());
    await readFullyAt(file, bytes, 0);
    await file.close();
    files.set(name, bytes);
  }
  return files;
}

async function load(files: StoreFiles): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory(`${PATH}/log`);
  for (const [name, bytes] of files) {
    const file = await disk.open(`${PATH}/${name}`, { create: true });
    await writeFullyAt(file, bytes, 0);
    await file.close();
  }
  return disk;
}
