import { createRandom } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { type Damage } from "./damage-explorer.ts";
import { MAIN, ModelledStore } from "./modelled-store.ts";
import { deletes, range } from "./script.ts";
import { StoreModel } from "./store-model.ts";

/** A small store at rest, with something to recover. */
export interface DamageSubject {
  readonly store: StoreOptions;
  readonly storage: SimStorage;
  readonly model: StoreModel;
  /** Where the log ended when each batch was answered. Batch 0 was before the first. */
  readonly ends: readonly number[];
}

const SEGMENT_BYTES = 4096;

/**
 * Fills a store of some pages: rows, long values, deletes; a checkpoint in the middle, then a crash,
 * so that pages and log both matter.
 */
export async function makeDamageSubject(): Promise<DamageSubject> {
  const store = { path: "store", memoryBytes: 8 * 4096, segmentBytes: SEGMENT_BYTES };
  const storage = new SimStorage({ random: createRandom(1) });
  const model = new StoreModel(MAIN);
  const world = new InstantWorld(storage);
  const ends: number[] = [];
  await world.run(async (environment) => {
    const open = await ModelledStore.open(environment, store, model);
    const note = (): void => void ends.push(open.store.stats().wal.endLsn);
    note();
    await open.batch(range(0, 8, 40)).then(note);
    await open.batch(range(10, 12, 1300)).then(note);
    await open.store.checkpoint();
    await open.batch([...range(3, 5, 60), ...deletes(6, 7)]).then(note);
    await open.batch(range(1, 2, 60)).then(note);
    await open.batch(range(2, 3, 10)).then(note);
  });
  storage.processDied();
  return { store, storage, model, ends };
}

/** In stretches of zeros, one byte in so many is damaged: what is there is not in use. */
const ZEROS_STRIDE = 61;
/** Zeros this far around a byte make it part of such a stretch. */
const ZEROS_AROUND = 32;

/** One flipped bit in every byte that is in use, and in some that are not. */
export function* everyByteFlipped(subject: DamageSubject, stride = 1): Generator<Damage> {
  const random = createRandom(2);
  const { storage } = subject;
  for (const path of storage.files()) {
    const bytes = storage.readFile(path);
    for (let at = 0; at < bytes.length; at++) {
      const isUsed = bytes
        .subarray(Math.max(0, at - ZEROS_AROUND), at + ZEROS_AROUND)
        .some(Boolean);
      if (at % (isUsed ? stride : ZEROS_STRIDE) !== 0) continue;
      const bit = 8 * at + random.below(8);
      yield {
        name: `a bit of byte ${at} of ${path}`,
        allowed: allowedAt(subject, path, at),
        inflict: (disk) => disk.flipBit(path, bit),
      };
    }
  }
}

/** Every sector zeroed, pages swapped and misplaced, files cut and removed. */
export function* everyLargerDamage(subject: DamageSubject): Generator<Damage> {
  for (const path of subject.storage.files()) {
    const bytes = subject.storage.readFile(path);
    const isLog = path.endsWith(".wal");
    if (!bytes.some(Boolean) && isLog) continue;
    yield* zeroedSectors(subject, path, bytes);
    for (let size = 0; size < bytes.length; size += 1000) {
      const allowed = allowedAt(subject, path, isLog ? size : 0, bytes.length);
      yield {
        name: `${path} cut at ${size}`,
        allowed,
        inflict: (disk) => disk.truncateFile(path, size),
      };
    }
    const allowed = subject.model.allowance();
    yield { name: `${path} removed`, allowed, inflict: (disk) => disk.removeFile(path) };
    if (!isLog) yield* misplacedPages(subject, path, bytes);
  }
}

function* zeroedSectors(
  subject: DamageSubject,
  path: string,
  bytes: Uint8Array,
): Generator<Damage> {
  for (let sector = 0; sector * 512 < bytes.length; sector++) {
    const allowed = allowedAt(subject, path, sector * 512, sector * 512 + 512);
    yield {
      name: `sector ${sector} of ${path} zeroed`,
      allowed,
      inflict: (disk) => disk.zeroSector(path, sector),
    };
  }
}

function* misplacedPages(
  subject: DamageSubject,
  path: string,
  bytes: Uint8Array,
): Generator<Damage> {
  const allowed = subject.model.allowance();
  const pages = Math.floor(bytes.length / 4096);
  const isUsed = (page: number): boolean =>
    bytes.subarray(page * 4096, page * 4096 + 4096).some(Boolean);
  for (let page = 0; page < pages; page++) {
    for (let other = 0; other < pages; other++) {
      if (page === other || !isUsed(page)) continue;
      const content = bytes.slice(page * 4096, page * 4096 + 4096);
      yield {
        name: `page ${page} over page ${other}`,
        allowed,
        inflict: (disk) => disk.overwrite(path, other * 4096, content),
      };
      if (other < page) continue;
      yield {
        name: `pages ${page} and ${other} swapped`,
        allowed,
        inflict: (disk) => disk.swapPages(path, page, other),
      };
    }
  }
}

/**
 * What a store may hold after damage at [at, to) of a file. Where the log's last group is hit, nobody
 * can tell that from a tail that a crash tore: the groups from the first damaged one on are lost.
 */
function allowedAt(
  subject: DamageSubject,
  path: string,
  at: number,
  to: number = at + 1,
): Damage["allowed"] {
  const allowed = subject.model.allowance();
  const base = Number(/(\d{20})\.wal$/.exec(path)?.[1] ?? Number.NaN);
  const { ends } = subject;
  const isInLastGroup = base + at < ends.at(-1)! && base + to > ends.at(-2)!;
  if (!isInLastGroup) return allowed;
  return { ...allowed, acknowledged: ends.findLastIndex((end) => end <= base + at) };
}
