import { type Random, pick } from "@kvs/env";

import { type FileState } from "./file-state.ts";
import { BLOCK_BYTES } from "./sparse-bytes.ts";
import { type StorageState } from "./storage-state.ts";

/** How often readers see damage at once; else only after the cache is gone. */
const EVICTION_CHANCE = 0.5;

/** A sync that claims success. */
export interface WrongStore {
  readonly state: StorageState;
  readonly file: FileState;
  /** Pages whose new bytes are at stake. */
  readonly pages: readonly number[];
  /** Does the sync as it should be done. */
  store(): void;
}

/** Does a sync after which the disk holds the bytes of before, though the new length may stand. */
export function storeNothing(sync: WrongStore): void {
  const before = sync.file.durable.clone();
  sync.store();
  sync.file.durable = before;
}

/**
 * Does a sync that leaves one page as it was.
 *
 * @returns Whether there was a page to lose.
 */
export function storeWithLostPage(sync: WrongStore, random: Random): boolean {
  return loseOnePage(sync, random) !== undefined;
}

/**
 * Does a sync that leaves one page as it was and puts its new bytes over another, of this file or
 * of any.
 *
 * @returns Whether there was a page to misdirect and one to hit.
 */
export function storeMisdirected(sync: WrongStore, random: Random): boolean {
  const lost = loseOnePage(sync, random);
  if (lost === undefined) return false;
  const others = [...sync.state.files.values()].filter((file) => file.durable.size > 0);
  if (others.length === 0) return false;
  const victim =
    random.chance(0.75) && sync.file.durable.size > 0 ? sync.file : pick(random, others);
  const pages = Math.ceil(victim.durable.size / BLOCK_BYTES);
  const page = Math.floor(random.nextFloat() * pages);
  if (victim === sync.file && page === lost.page) return false;
  const from = page * BLOCK_BYTES;
  const count = Math.min(BLOCK_BYTES, victim.durable.size - from);
  victim.durable.write(lost.bytes.subarray(0, count), from);
  evict(victim, page, random);
  return true;
}

function loseOnePage(
  sync: WrongStore,
  random: Random,
): { readonly page: number; readonly bytes: Uint8Array } | undefined {
  const { file } = sync;
  const before = file.durable.clone();
  sync.store();
  if (sync.pages.length === 0) return undefined;
  const page = pick(random, sync.pages);
  const from = page * BLOCK_BYTES;
  const bytes = new Uint8Array(BLOCK_BYTES);
  file.durable.read(bytes, from);
  file.durable.copyRange(before, from, Math.min(from + BLOCK_BYTES, file.durable.size));
  evict(file, page, random);
  return { page, bytes };
}

/** Perhaps makes readers see what is stored. */
function evict(file: FileState, page: number, random: Random): void {
  if (!random.chance(EVICTION_CHANCE) || file.pending.length > 0) return;
  const from = page * BLOCK_BYTES;
  const to = Math.min(from + BLOCK_BYTES, file.cache.size);
  if (from < to) file.cache.copyRange(file.durable, from, to);
}
