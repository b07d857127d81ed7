import { KvsError, type Random, createRandom } from "@kvs/env";
import { type Entry, type ScanOptions, type Snapshot, type Store } from "@kvs/txn";
import { type ModelKey, toKeyBytes, toModelKey } from "./model-key.ts";
import { type Allowance, type Row, type StoreModel } from "./store-model.ts";

/** The store broke a promise: the one kind of finding that no error of the disk excuses. */
export class StorageViolation extends Error {
  override readonly name = "StorageViolation";
}

/** All rows of all trees, as a store answers them. */
export type Content = ReadonlyMap<string, readonly Entry[]>;

/** Reads a whole store, tree by tree. */
export async function readContent(store: Store, snapshot?: Snapshot): Promise<Content> {
  const content = new Map<string, Entry[]>();
  const trees = [...store.trees()].toSorted(([one], [other]) => (one < other ? -1 : 1));
  for (const [name, tree] of trees) {
    const entries: Entry[] = [];
    const options: ScanOptions = snapshot === undefined ? { tree } : { tree, snapshot };
    for await (const entry of store.scan(options)) entries.push(entry);
    content.set(name, entries);
  }
  return content;
}

/**
 * Finds the batch after which the model says what the store says.
 *
 * @returns Its number.
 * @throws {StorageViolation} if there is none among those allowed.
 */
export function findState(content: Content, model: StoreModel, allowed: Allowance): number {
  let nearest = "";
  for (let batch = allowed.submitted; batch >= allowed.acknowledged; batch--) {
    const difference = compareContent(content, model, batch);
    if (difference === undefined) return batch;
    nearest ||= difference;
    if (batch === allowed.acknowledged) nearest = difference;
  }
  const { acknowledged, submitted } = allowed;
  throw new StorageViolation(
    `the store holds no prefix of the batches: ${acknowledged} are acknowledged, ` +
      `${submitted} were submitted; after batch ${acknowledged}: ${nearest}`,
  );
}

/** The first difference between what a store says and what the model says after a batch. */
export function compareContent(
  content: Content,
  model: StoreModel,
  batch: number,
): string | undefined {
  const expectedTrees = model.treesAt(batch);
  if ([...content.keys()].join() !== expectedTrees.join()) {
    return `trees ${[...content.keys()].join()}, not ${expectedTrees.join()}`;
  }
  for (const tree of expectedTrees) {
    const difference = compareRows(content.get(tree)!, model.rowsAt(tree, batch), model);
    if (difference !== undefined) return `tree ${tree}: ${difference}`;
  }
  return undefined;
}

/** The first difference between entries and rows, versions included where they are known. */
export function compareRows(
  entries: readonly Entry[],
  rows: readonly Row[],
  model: StoreModel,
): string | undefined {
  for (let at = 0; at < Math.max(entries.length, rows.length); at++) {
    const entry = entries[at];
    const row = rows[at];
    if (entry === undefined) return `row ${at} of ${rows.length}, ${show(row!.key)}, is missing`;
    const key = toModelKey(entry.key);
    if (row === undefined || row.key !== key) {
      const expected = row === undefined ? "its end" : show(row.key);
      return `row ${at} of ${entries.length} is ${show(key)}, not ${expected}`;
    }
    if (!isSame(entry.value, row.value)) {
      return `${show(key)} has ${brief(entry.value)}, not ${brief(row.value)} of batch ${row.batch}`;
    }
    const version = model.versionOf(row.batch);
    if (version !== undefined && version !== entry.version) {
      return `${show(key)} has version ${entry.version}, not ${version} of batch ${row.batch}`;
    }
  }
  return undefined;
}

/** Learns from what a store holds the timestamps of batches that were never answered. */
function learnVersions(content: Content, model: StoreModel, batch: number): void {
  for (const [tree, entries] of content) {
    const rows = model.rowsAt(tree, batch);
    for (const [at, entry] of entries.entries()) {
      const row = rows[at]!;
      if (row.batch === 0) continue;
      model.learnVersion(row.batch, entry.version);
      if (model.versionOf(row.batch) !== entry.version) {
        throw new StorageViolation(`the rows of batch ${row.batch} have different versions`);
      }
    }
  }
}

/**
 * Looks at everything that a store answers while nobody writes: both directions, parts of the range,
 * single keys, and the store's own check.
 *
 * @returns The batch whose state the store has.
 * @throws {StorageViolation} What else it throws, the store threw.
 */
export async function auditStore(
  store: Store,
  model: StoreModel,
  options: { readonly allowed?: Allowance; readonly random?: Random } = {},
): Promise<number> {
  const { allowed = model.allowance(), random = createRandom(1) } = options;
  const content = await readContent(store);
  const batch = findState(content, model, allowed);
  learnVersions(content, model, batch);
  for (const [name, tree] of store.trees()) {
    const rows = model.rowsAt(name, batch);
    await auditScans(store, { tree, rows, model, random });
    await auditKeys(store, { tree, name, batch, model, random });
  }
  await auditStructure(store);
  return batch;
}

/**
 * @throws {StorageViolation} if the store finds something wrong with itself; {KvsError} if it could
 *   not look at everything.
 */
export async function auditStructure(store: Store): Promise<void> {
  const findings = await store.check();
  if (findings.length === 0) return;
  const first = findings.find(({ type }) => type !== "unreadable") ?? findings[0]!;
  const text =
    `${findings.length} findings of the store's own check, the first in tree ` +
    `"${first.tree}", page ${first.page}: ${first.type}: ${first.message}`;
  if (first.type === "unreadable") throw new KvsError("DISK_IO", text, { outcome: "none" });
  throw new StorageViolation(text);
}

/** Scans that one audit makes besides the whole one, and keys that it looks up. */
const AUDIT_SCANS = 3;
const AUDIT_KEYS = 12;

interface ScanAudit {
  readonly tree: number;
  readonly rows: readonly Row[];
  readonly model: StoreModel;
  readonly random: Random;
}

async function auditScans(store: Store, audit: ScanAudit): Promise<void> {
  for (let at = 0; at < AUDIT_SCANS; at++) {
    const range = at === 0 ? { reverse: true } : drawRange(audit.random, audit.rows);
    const entries: Entry[] = [];
    for await (const entry of store.scan({ ...range, tree: audit.tree })) entries.push(entry);
    const difference = compareRows(entries, rowsWithin(audit.rows, range), audit.model);
    if (difference === undefined) continue;
    throw new StorageViolation(`scan ${describeRange(range)}: ${difference}`);
  }
}

interface KeyAudit {
  readonly tree: number;
  readonly name: string;
  readonly batch: number;
  readonly model: StoreModel;
  readonly random: Random;
}

async function auditKeys(store: Store, audit: KeyAudit): Promise<void> {
  const { tree, name, batch, model, random } = audit;
  const keys = model.keys(name);
  for (let at = 0; at < AUDIT_KEYS && keys.length > 0; at++) {
    const key = toKeyBytes(keys[random.below(keys.length)]!);
    const value = at % 2 === 0 ? store.getSync(key, { tree }) : await store.get(key, { tree });
    const expected = model.valueAt(name, key, batch);
    if (isSame(value, expected)) continue;
    const text = `${show(toModelKey(key))} reads ${brief(value)}, not ${brief(expected)}`;
    throw new StorageViolation(text);
  }
}

/** A part of the keys' range, with bounds at, between and beyond them. */
export type Range = Pick<ScanOptions, "gt" | "gte" | "lt" | "lte" | "reverse" | "limit">;

export function drawRange(random: Random, rows: readonly Row[]): Range {
  const range: { -readonly [Field in keyof Range]: Range[Field] } = {};
  if (random.chance(0.7)) range[random.chance(0.5) ? "gt" : "gte"] = drawBound(random, rows);
  if (random.chance(0.7)) range[random.chance(0.5) ? "lt" : "lte"] = drawBound(random, rows);
  if (random.chance(0.5)) range.reverse = true;
  if (random.chance(0.3)) range.limit = random.below(1 + rows.length);
  return range;
}

function drawBound(random: Random, rows: readonly Row[]): Uint8Array {
  const row = rows[random.below(rows.length + 1)];
  if (row === undefined) return random.fill(new Uint8Array(random.below(5)));
  const key = toKeyBytes(row.key);
  const choice = random.below(4);
  if (choice === 0) return new Uint8Array([...key.subarray(0, 1000), 0]);
  if (choice === 1) return key.subarray(0, random.below(key.length + 1));
  return key;
}

/** What a scan of this range has to give. */
export function rowsWithin(rows: readonly Row[], range: Range): Row[] {
  const [gt, gte, lt, lte] = [range.gt, range.gte, range.lt, range.lte].map((bound) =>
    bound === undefined ? undefined : toModelKey(bound),
  );
  const isWithin = (key: ModelKey): boolean =>
    (gt === undefined || key > gt) &&
    (gte === undefined || key >= gte) &&
    (lt === undefined || key < lt) &&
    (lte === undefined || key <= lte);
  const found = rows.filter(({ key }) => isWithin(key));
  const ordered = range.reverse === true ? found.toReversed() : found;
  return ordered.slice(0, range.limit);
}

function describeRange(range: Range): string {
  const parts = Object.entries(range).map(([name, value]) => {
    const text = value instanceof Uint8Array ? show(toModelKey(value)) : String(value);
    return `${name} ${text}`;
  });
  return `{${parts.join(", ")}}`;
}

/** Whether two values are the same bytes, or both absent. */
export function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** A key for people: what is not a letter or digit as hexadecimal, long ones cut. */
function show(key: ModelKey): string {
  const text = key
    .slice(0, 40)
    .replaceAll(/[^\w.-]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
  return `"${text}"${key.length > 40 ? `… (${key.length})` : ""}`;
}

/** A value for people: its length and how it begins. */
function brief(value: Uint8Array | undefined): string {
  if (value === undefined) return "nothing";
  const start = [...value.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${value.length} bytes ${start.join("")}`;
}
