import {
  type Cipher,
  type DataKeys,
  type Environment,
  KEY_BYTES,
  type KeyProvider,
  Mutex,
  NonceSequence,
  assert,
  readFullyAt,
} from "@kvs/env";
import { Pager } from "@kvs/pager";
import {
  type KeyState,
  RING_BYTES_MAX,
  RING_ENTRIES_MAX,
  type RingContent,
  type RingEntry,
  type RingSeal,
  damagedKeys,
  decodeRing,
  encodeRing,
} from "./key-ring-format.ts";
import { replaceFile } from "./replace-file.ts";
import { storePaths } from "./store-paths.ts";
import { txnError } from "./txn-error.ts";

/** Keys that are not destroyed; more would mean that rotations never come to their end. */
const LIVE_KEYS_MAX = 64;
const NOTHING = new Uint8Array(0);

/** What is known of a data key: nothing that helps to open anything. */
export interface KeyInfo {
  readonly id: number;
  /**
   * `current`: seals what is written. `retired`: pages may still be sealed with it. `rewritten`: only
   * old log may be. `destroyed`: nothing is, and the ring does not hold it any more.
   */
  readonly state: KeyState;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** The master key that it is wrapped with; "" if it was destroyed. */
  readonly masterKeyName: string;
}

export interface KeyRingOptions {
  /** The store's directory. */
  readonly directory: string;
  readonly provider: KeyProvider;
  readonly storeId: readonly [high: number, low: number];
}

/**
 * The data keys of one store, and the file that keeps them, wrapped.
 *
 * 1. A key seals nothing before the ring that holds it is durable.
 * 2. A change of the ring replaces the whole file, so that a crash leaves the old ring or the new.
 * 3. Data keys are random bytes that leave this object only wrapped.
 *
 * Format: docs/formats/key-ring.md. Why it is built so: docs/decisions/0015-encryption.md.
 */
export class KeyRing implements DataKeys {
  readonly #environment: Environment;
  readonly #options: KeyRingOptions;
  readonly #nonces: NonceSequence;
  readonly #changes = new Mutex();
  readonly #ciphers = new Map<number, Cipher>();
  #content: RingContent;
  #currentId = 0;

  private constructor(environment: Environment, options: KeyRingOptions) {
    this.#environment = environment;
    this.#options = options;
    this.#nonces = new NonceSequence(environment.random);
    const { storeId } = options;
    this.#content = { storeId, nextId: 1, isAllSealed: false, entries: [] };
  }

  /**
   * Makes a ring with one fresh key, durably, in place of whatever ring is there.
   *
   * @throws {KvsError} `KEY_UNAVAILABLE`; errors of the disk.
   */
  static async create(environment: Environment, options: KeyRingOptions): Promise<KeyRing> {
    const ring = new KeyRing(environment, options);
    await ring.addKey();
    return ring;
  }

  /**
   * Opens the ring of a store.
   *
   * @returns `undefined` if it has none.
   * @throws {KvsError} `TXN_DAMAGED_KEYS`, `TXN_UNKNOWN_VERSION`; `KEY_UNKNOWN_MASTER`,
   *   `KEY_REFUSED`, `KEY_UNAVAILABLE` of the provider; errors of the disk. Nothing was changed.
   */
  static async open(
    environment: Environment,
    options: KeyRingOptions,
  ): Promise<KeyRing | undefined> {
    const path = keyRingPath(options.directory);
    const bytes = await readRingFile(environment, path);
    if (bytes === undefined) return undefined;
    const { content, seal } = decodeRing(bytes, path);
    if (!isSameStore(content.storeId, options.storeId)) {
      throw damagedKeys(path, "they belong to another store");
    }
    const ring = new KeyRing(environment, options);
    await ring.#take(content, seal);
    return ring;
  }

  get currentId(): number {
    return this.#currentId;
  }

  cipherOf(keyId: number): Cipher | undefined {
    return this.#ciphers.get(keyId);
  }

  /** Every key, oldest first. */
  keys(): readonly KeyInfo[] {
    return this.#content.entries.map(toInfo);
  }

  /** The keys in this state. */
  idsIn(state: KeyState): readonly number[] {
    return this.#content.entries.filter((entry) => entry.state === state).map(({ id }) => id);
  }

  /** Whether no page that is plain belongs to the store: one that turns up is forged. */
  get isAllSealed(): boolean {
    return this.#content.isAllSealed;
  }

  /** The file's bytes, for a copy of the store. */
  encode(): Uint8Array {
    return this.#encode(this.#content);
  }

  /**
   * Adds a fresh key and makes it the current one: durable first, in use then. Those before it are
   * retired.
   *
   * @returns Its number.
   * @throws {KvsError} `KEY_UNAVAILABLE`, `TXN_TOO_MANY_KEYS`; errors of the disk: the current key
   *   stays.
   */
  addKey(): Promise<number> {
    return this.#changes.run(async () => {
      const { entries, nextId: id } = this.#content;
      const live = entries.filter(({ state }) => state !== "destroyed");
      if (live.length >= LIVE_KEYS_MAX) throw tooManyKeys(live.length);
      const { random, ciphers, clock } = this.#environment;
      const key = random.fill(new Uint8Array(KEY_BYTES));
      const wrapped = await this.#options.provider.wrap(key);
      const cipher = ciphers.aes256Gcm(key);
      key.fill(0);
      const retired = entries.map((entry) =>
        entry.state === "current" ? ({ ...entry, state: "retired" } as const) : entry,
      );
      const createdMs = Math.max(0, clock.wallMs());
      const added = { id, state: "current", createdMs, wrapped } as const;
      this.#ciphers.set(id, cipher);
      const content = { ...this.#content, nextId: id + 1, entries: [...retired, added] };
      await this.#replace(content, id);
      this.#currentId = id;
      return id;
    });
  }

  /**
   * Notes, durably, that every page in use is sealed, and none with these keys any more: only log
   * may be.
   */
  markRewritten(ids: readonly number[]): Promise<void> {
    return this.#changes.run(() => {
      const content = changed(this.#content, ({ id }) =>
        ids.includes(id) ? { state: "rewritten" } : {},
      );
      return this.#replace({ ...content, isAllSealed: true }, this.#currentId);
    });
  }

  /**
   * Destroys keys: the ring forgets them, durably. What was sealed with them can never be read again.
   */
  async destroy(ids: readonly number[]): Promise<void> {
    assert(!ids.includes(this.#currentId), "the current key is in use");
    if (ids.length === 0) return;
    const gone = { state: "destroyed", wrapped: undefined } as const;
    await this.#changes.run(() => {
      const content = changed(this.#content, ({ id }) => (ids.includes(id) ? gone : {}));
      return this.#replace(content, this.#currentId);
    });
    for (const id of ids) this.#ciphers.delete(id);
  }

  /**
   * Wraps every key anew, under the provider's newest master key. The data stay as they are.
   *
   * @returns How many keys were wrapped.
   * @throws {KvsError} of the provider or the disk: the ring is the old one or the new one.
   */
  rewrap(): Promise<number> {
    return this.#changes.run(async () => {
      const { provider } = this.#options;
      const entries: RingEntry[] = [];
      let count = 0;
      for (const entry of this.#content.entries) {
        if (entry.wrapped === undefined) {
          entries.push(entry);
          continue;
        }
        const key = await provider.unwrap(entry.wrapped);
        entries.push({ ...entry, wrapped: await provider.wrap(key) });
        key.fill(0);
        count++;
      }
      await this.#replace({ ...this.#content, entries }, this.#currentId);
      return count;
    });
  }

  async #take(content: RingContent, seal: RingSeal): Promise<void> {
    const { provider, directory } = this.#options;
    const { ciphers } = this.#environment;
    for (const { id, state, wrapped } of content.entries) {
      if (wrapped === undefined) continue;
      const key = await provider.unwrap(wrapped);
      this.#ciphers.set(id, ciphers.aes256Gcm(key));
      key.fill(0);
      if (state === "current") this.#currentId = id;
    }
    const { covered: associated, nonce, tag } = seal;
    const cipher = this.#ciphers.get(this.#currentId);
    assert(cipher !== undefined, "a ring has a current key");
    if (!cipher.open({ associated, nonce, tag }, NOTHING, NOTHING)) {
      throw damagedKeys(keyRingPath(directory), "they were changed by somebody without the key");
    }
    this.#content = content;
  }

  async #replace(content: RingContent, sealedBy: number): Promise<void> {
    const { directory } = this.#options;
    const trimmed = { ...content, entries: withoutOldest(content.entries) };
    const bytes = this.#encode(trimmed, sealedBy);
    await replaceFile(this.#environment, directory, keyRingPath(directory), bytes);
    this.#content = trimmed;
  }

  #encode(content: RingContent, sealedBy: number = this.#currentId): Uint8Array {
    const cipher = this.#ciphers.get(sealedBy);
    assert(cipher !== undefined, "a ring is sealed by a key that it holds");
    return encodeRing(content, ({ covered: associated, nonce, tag }) => {
      this.#nonces.writeNext(nonce);
      cipher.seal({ associated, nonce, tag }, NOTHING, NOTHING);
    });
  }
}

/** The ring's file in a store's directory. */
export function keyRingPath(directory: string): string {
  return `${directory}/keys`;
}

/**
 * Lists the keys of a store, without any master key.
 *
 * @param directory The store's; it may be open.
 * @returns `undefined` if it has no ring: nothing of it is sealed.
 * @throws {KvsError} `TXN_DAMAGED_KEYS`, `TXN_UNKNOWN_VERSION`; errors of the disk.
 */
export async function listKeys(
  environment: Environment,
  directory: string,
): Promise<readonly KeyInfo[] | undefined> {
  const path = keyRingPath(directory);
  const bytes = await readRingFile(environment, path);
  return bytes === undefined ? undefined : decodeRing(bytes, path).content.entries.map(toInfo);
}

/**
 * The data keys of a store, for whoever reads its files without opening it.
 *
 * @param directory The store's.
 * @returns `undefined` if it is plain.
 * @throws {KvsError} as `KeyRing.open`, and of reading the page file's header.
 */
export async function dataKeysOf(
  environment: Environment,
  directory: string,
  provider: KeyProvider,
): Promise<DataKeys | undefined> {
  const header = await Pager.readHeader(environment, storePaths(directory).pages);
  if (header === undefined) return undefined;
  return KeyRing.open(environment, { directory, provider, storeId: header.storeId });
}

async function readRingFile(
  environment: Environment,
  path: string,
): Promise<Uint8Array | undefined> {
  const { disk } = environment;
  if ((await disk.stat(path)) === undefined) return undefined;
  const file = await disk.open(path, { readOnly: true });
  try {
    const size = await file.size();
    if (size > RING_BYTES_MAX) throw damagedKeys(path, "it is too long");
    const bytes = new Uint8Array(size);
    const count = await readFullyAt(file, bytes, 0);
    return bytes.subarray(0, count);
  } finally {
    await file.close();
  }
}

function changed(
  content: RingContent,
  change: (entry: RingEntry) => Partial<RingEntry>,
): RingContent {
  return { ...content, entries: content.entries.map((entry) => ({ ...entry, ...change(entry) })) };
}

/** The ring remembers destroyed keys, to be looked at, as long as there is room. */
function withoutOldest(entries: readonly RingEntry[]): readonly RingEntry[] {
  let surplus = entries.length - RING_ENTRIES_MAX;
  return entries.filter(({ state }) => surplus <= 0 || state !== "destroyed" || surplus-- <= 0);
}

function toInfo({ id, state, createdMs, wrapped }: RingEntry): KeyInfo {
  return { id, state, createdMs, masterKeyName: wrapped?.masterKeyName ?? "" };
}

function isSameStore(one: RingContent["storeId"], other: RingContent["storeId"]): boolean {
  return one[0] === other[0] && one[1] === other[1];
}

function tooManyKeys(count: number): Error {
  const message =
    `the store has ${count} keys that something may still need; ` +
    "let the rotations before come to their end, then repeat this one";
  return txnError("TXN_TOO_MANY_KEYS", message, { retryable: true });
}
