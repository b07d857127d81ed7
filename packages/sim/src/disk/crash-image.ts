import { type Random, assert, pick } from "@kvs/env";

import { type NameChange, applyNames } from "./directory-state.ts";
import { type DiskFaultKind } from "./disk-faults.ts";
import { type FileChange, SECTOR_BYTES, applyChange, rangeOf, splitChange } from "./file-state.ts";
import { BLOCK_BYTES } from "./sparse-bytes.ts";
import { type StorageState } from "./storage-state.ts";

/**
 * How an image of a power cut is drawn.
 *
 * - `worst-case`: only what is certainly stored. `keep-all`: everything, as after a clean stop.
 * - `prefix`: all changes of the host up to a drawn one, the next one cut at a sector.
 * - `subset`: each change kept whole or lost, with one drawn probability.
 * - `torn`: of a kept write each sector, or page, is new, old, zeros or garbage.
 * - `size-without-data`: kept writes lengthen their file, but their bytes are not there.
 * - `garbage-after-end`: past the stored end, kept writes hold garbage in some sectors.
 *
 * In all but the first three, changes of names are decided apart: an ordered prefix, as a journal
 * keeps, or any subset. A rename within a directory is one change; one across directories is two.
 */
export type CrashMode =
  | "worst-case"
  | "keep-all"
  | "prefix"
  | "subset"
  | "torn"
  | "size-without-data"
  | "garbage-after-end";

/** The modes drawn from when the caller names none. */
export const DRAWN_CRASH_MODES: readonly CrashMode[] = [
  "prefix",
  "subset",
  "torn",
  "size-without-data",
  "garbage-after-end",
];

const KEEP_PROBABILITIES = [0, 0.25, 0.5, 0.75, 1];
/** Of a torn write's pieces: this share new, then old, then zeros; the rest garbage. */
const NEW_SHARE = 0.5;
const OLD_SHARE = 0.75;
const ZERO_SHARE = 0.875;

/** More would be millions of images. */
const LAST_UNITS_MAX = 20;

type PendingChange =
  | { readonly type: "file"; readonly id: number; readonly change: FileChange }
  | { readonly type: "names"; readonly id: number; readonly change: NameChange };

/** Draws one image; the state itself is left alone. */
export function drawImage(
  state: StorageState,
  mode: CrashMode,
  random: Random,
  countFault: (kind: DiskFaultKind) => void = () => undefined,
): StorageState {
  const image = state.cloneDurable();
  const changes = pendingChanges(state);
  countFault(`disk.crash-${mode}`);
  if (mode === "keep-all") for (const change of changes) keep(image, change);
  else if (mode === "prefix") keepPrefix(image, changes, random);
  else if (mode !== "worst-case") {
    keepSomeNames(image, changes, random);
    keepSomeWrites(image, changes, { mode, random, countFault });
  }
  image.finishImage();
  return image;
}

/** How many sectors, truncations and changes of names are pending. */
export function countUnits(state: StorageState): number {
  let count = 0;
  for (const { type, change } of pendingChanges(state)) {
    count += type === "names" ? 1 : splitChange(change, SECTOR_BYTES).length;
  }
  return count;
}

/**
 * Every subset of the last `lastUnits` pending sectors, truncations and changes of names; the
 * earlier ones all lost, then all kept. Image number `mask` of a half holds unit `i` if bit `i` is
 * set, the oldest unit being 0.
 */
export function enumerateImages(state: StorageState, lastUnits: number): Iterable<StorageState> {
  assert(lastUnits >= 0 && lastUnits <= LAST_UNITS_MAX, "at most 20 units are enumerated");
  const { earlier, last } = lastUnitsOf(pendingChanges(state), lastUnits);
  const bases = [state.cloneDurable()];
  if (earlier.length > 0) {
    const base = state.cloneDurable();
    for (const change of earlier) keep(base, change);
    bases.push(base);
  }
  return imagesOver(bases, last);
}

function* imagesOver(
  bases: readonly StorageState[],
  units: readonly PendingChange[],
): Generator<StorageState> {
  for (const base of bases) {
    for (let mask = 0; mask < 2 ** units.length; mask++) {
      const image = base.cloneDurable();
      for (const [index, unit] of units.entries()) if ((mask >>> index) & 1) keep(image, unit);
      image.finishImage();
      yield image;
    }
  }
}

/** Everything pending on the host, oldest first. */
function pendingChanges(state: StorageState): PendingChange[] {
  const changes: PendingChange[] = [];
  for (const { id, pending } of state.files.values()) {
    for (const change of pending) changes.push({ type: "file", id, change });
  }
  for (const { id, pending } of state.directories.values()) {
    for (const change of pending) changes.push({ type: "names", id, change });
  }
  return changes.toSorted((a, b) => a.change.sequence - b.change.sequence);
}

function lastUnitsOf(
  changes: readonly PendingChange[],
  count: number,
): { readonly earlier: PendingChange[]; readonly last: PendingChange[] } {
  const earlier = changes.slice();
  let last: PendingChange[] = [];
  while (last.length < count && earlier.length > 0) {
    const units = unitsOf(earlier.pop()!);
    const taken = Math.min(units.length, count - last.length);
    earlier.push(...units.slice(0, units.length - taken));
    last = [...units.slice(units.length - taken), ...last];
  }
  return { earlier, last };
}

function unitsOf(pending: PendingChange): PendingChange[] {
  if (pending.type === "names") return [pending];
  const pieces = splitChange(pending.change, SECTOR_BYTES);
  return pieces.map((change) => ({ type: "file", id: pending.id, change }));
}

/** Puts a change into what an image stores. */
function keep(image: StorageState, pending: PendingChange): void {
  if (pending.type === "file") applyChange(image.files.get(pending.id)!.durable, pending.change);
  else applyNames(image.directories.get(pending.id)!.durable, pending.change);
}

function keepPrefix(image: StorageState, changes: readonly PendingChange[], random: Random): void {
  const count = random.below(changes.length + 1);
  for (const change of changes.slice(0, count)) keep(image, change);
  const next = changes[count];
  if (next === undefined || next.type === "names") return;
  const units = unitsOf(next);
  for (const unit of units.slice(0, random.below(units.length))) keep(image, unit);
}

function keepSomeNames(
  image: StorageState,
  changes: readonly PendingChange[],
  random: Random,
): void {
  const names = changes.filter((pending) => pending.type === "names");
  if (random.chance(0.5)) {
    for (const change of names.slice(0, random.below(names.length + 1))) keep(image, change);
    return;
  }
  const probability = pick(random, KEEP_PROBABILITIES);
  for (const change of names) if (random.chance(probability)) keep(image, change);
}

interface Drawing {
  readonly mode: CrashMode;
  readonly random: Random;
  countFault(kind: DiskFaultKind): void;
}

function keepSomeWrites(
  image: StorageState,
  changes: readonly PendingChange[],
  drawing: Drawing,
): void {
  const { mode, random } = drawing;
  const probability = pick(random, KEEP_PROBABILITIES);
  const isByPage = mode === "torn" && random.chance(0.5);
  for (const pending of changes) {
    if (pending.type === "names" || !random.chance(probability)) continue;
    const { change } = pending;
    const bytes = image.files.get(pending.id)!.durable;
    const range = rangeOf(change);
    if (range === undefined || mode === "subset") applyChange(bytes, change);
    else if (mode === "size-without-data") bytes.resize(Math.max(bytes.size, range.to));
    else if (mode === "garbage-after-end") keepWithGarbage(image, pending.id, change, random);
    else keepTorn(image, pending.id, change, { ...drawing, isByPage });
  }
}

function keepTorn(
  image: StorageState,
  id: number,
  change: FileChange,
  drawing: Drawing & { readonly isByPage: boolean },
): void {
  const { random, isByPage } = drawing;
  const bytes = image.files.get(id)!.durable;
  let isTorn = false;
  for (const piece of splitChange(change, isByPage ? BLOCK_BYTES : SECTOR_BYTES)) {
    const range = rangeOf(piece)!;
    const share = random.nextFloat();
    if (share < NEW_SHARE) applyChange(bytes, piece);
    else if (share >= ZERO_SHARE && piece.type === "write") {
      bytes.write(garbage(piece.bytes.length, random), piece.position);
    } else if (share >= OLD_SHARE) bytes.zero(range.from, range.to);
    isTorn ||= share >= NEW_SHARE;
  }
  if (isTorn) drawing.countFault(isByPage ? "disk.torn-page" : "disk.torn-sector");
}

/** Keeps a write, but some of its sectors past the end of the stored file hold anything. */
function keepWithGarbage(
  image: StorageState,
  id: number,
  change: FileChange,
  random: Random,
): void {
  const bytes = image.files.get(id)!.durable;
  const storedEnd = bytes.size;
  for (const piece of splitChange(change, SECTOR_BYTES)) {
    if (piece.type === "write" && piece.position >= storedEnd && random.chance(0.5)) {
      bytes.write(garbage(piece.bytes.length, random), piece.position);
    } else applyChange(bytes, piece);
  }
}

function garbage(length: number, random: Random): Uint8Array {
  const bytes = new Uint8Array(length);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- no array's `fill`
  random.fill(bytes);
  return bytes;
}
