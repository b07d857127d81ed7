import { KvsError, type Random, createRandom } from "@kvs/env";
import { decodeFileHeader, encodeFileHeader } from "../src/file-header.ts";
import { FreeSpace } from "../src/free-space.ts";
import {
  PAGE_BITMAP,
  PAGE_BYTES,
  PAGE_LEAF,
  PageView,
  formatPage,
  reservedBits,
  setBits,
  setPageLsn,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import { findPageFault, sealPage, sealedKeyOf, writeChecksum } from "../src/page-seal.ts";
import { PageSealer } from "../src/page-sealer.ts";
import { corruptPage } from "../src/pager-error.ts";
import { FILE_ID, HEADER, TestKeys, makeWorld } from "./fixture.ts";

/** Looks at a page that passed all checks of the pager; must answer for any bytes. */
export type PageCheck = (page: PageView) => readonly string[];

export interface FuzzOptions {
  readonly seed: number;
  readonly inputs: number;
  /** Hook for those who know what bodies mean. */
  readonly check?: PageCheck;
  /** Valid pages to begin with, besides those made here. */
  readonly pages?: readonly Uint8Array[];
}

/** How many inputs ended how: by reason or error code, `same`, `passed`, or what the check said. */
export type FuzzTally = Map<string, number>;

const OWNER = { fileId: FILE_ID, epoch: 3 };
/** Numbers at which code goes wrong. */
const NUMBERS = [
  0,
  1,
  2,
  63,
  64,
  255,
  256,
  4032,
  4095,
  4096,
  32_256,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

/**
 * Feeds pages that were changed to everything that decodes pages. In half of the cases the checksum
 * is made right again, so that what lies behind it is reached.
 *
 * @throws {Error} With seed and number of the input, whatever is thrown that is no error of the pager;
 *   also if a page passes that must not, or a sealed page opens to anything but what was sealed.
 */
export function fuzzPages(options: FuzzOptions): FuzzTally {
  const random = createRandom(options.seed);
  const fuzzer = new PageFuzzer(random, options);
  for (let input = 0; input < options.inputs; input++) {
    try {
      fuzzer.next();
    } catch (error) {
      throw new Error(`seed ${options.seed}, input ${input}`, { cause: error });
    }
  }
  return fuzzer.tally;
}

interface Sample {
  readonly page: Uint8Array;
  readonly kind: "page" | "bitmap" | "header";
  readonly id: number;
  readonly fileId: number;
  /** Its body before it was sealed. */
  readonly body: Uint8Array;
}

class PageFuzzer {
  readonly tally: FuzzTally = new Map();
  readonly #random: Random;
  readonly #check: PageCheck;
  readonly #sealer: PageSealer;
  readonly #samples: Sample[];
  /** Starts on a word, as frames do. */
  readonly #page: Uint8Array = new Uint8Array(PAGE_BYTES);

  constructor(random: Random, options: FuzzOptions) {
    this.#random = random;
    this.#check = options.check ?? (() => []);
    const keys = new TestKeys(1, 2);
    this.#sealer = new PageSealer(makeWorld().environment, { path: "pages", owner: OWNER, keys });
    this.#samples = [...makeSamples(random, this.#sealer)];
    for (const page of options.pages ?? []) {
      const view = new DataView(page.buffer, page.byteOffset);
      const id = view.getUint32(16, true);
      const body = page.slice(64);
      this.#samples.push({ page, kind: "page", id, fileId: view.getUint32(20, true), body });
    }
  }

  next(): void {
    const random = this.#random;
    const sample = this.#samples[random.below(this.#samples.length)]!;
    this.#page.set(sample.page);
    const other = this.#samples[random.below(this.#samples.length)]!.page;
    for (let count = 1 + random.below(4); count > 0; count--) mutate(random, this.#page, other);
    const isMended = random.chance(0.5);
    if (isMended) writeChecksum(this.#page);
    const length = random.chance(0.02) ? random.below(PAGE_BYTES) : PAGE_BYTES;
    this.#decode(sample, this.#page.subarray(0, length), isMended);
  }

  #decode(sample: Sample, page: Uint8Array, isMended: boolean): void {
    try {
      if (sample.kind === "header") this.#decodeHeader(sample, page);
      else this.#decodePage(sample, page, isMended);
    } catch (error) {
      if (!(error instanceof KvsError)) throw error;
      this.#count(error.code);
    }
  }

  #decodeHeader({ id }: Sample, page: Uint8Array): void {
    const header = decodeFileHeader(page, toPageId(id), "pages");
    if (header === undefined) return this.#count("no header");
    for (const value of Object.values(header).flat()) {
      require(typeof value === "boolean" || Number.isSafeInteger(value), "a header holds numbers");
    }
    this.#sealer.requireAuthentic(page, toPageId(id));
    this.#count("header");
  }

  #decodePage(sample: Sample, page: Uint8Array, isMended: boolean): void {
    const { id, fileId, kind } = sample;
    const fault = findPageFault(page, { id: toPageId(id), fileId });
    if (fault !== undefined) return this.#count(fault.reason);
    // Pieces of another sample may have made the page that one.
    const same = this.#samples.find((other) => isEqual(page, other.page));
    require(isMended || same !== undefined, "a changed page does not pass with its old checksum");
    const wasSealed = sealedKeyOf(page) !== 0;
    this.#sealer.open(page, toPageId(id));
    if (wasSealed) {
      const isRight = this.#samples.some(({ body }) => isEqual(page.subarray(64), body));
      require(isRight, "a sealed body opens to what was sealed");
    }
    const view = PageView.of(page);
    if (kind === "bitmap") loadBitmap(view);
    const said = this.#check(view);
    this.#count(
      same !== undefined ? "same" : said.length === 0 ? "passed" : "refused by the check",
    );
  }

  #count(outcome: string): void {
    this.tally.set(outcome, (this.tally.get(outcome) ?? 0) + 1);
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return one.length === other.length;
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not so: ${what}`);
}

/** Loads free space from the page, and uses it. */
function loadBitmap(view: PageView): void {
  const space = new FreeSpace({
    pageCount: () => 1000,
    needPages: () => {
      throw new KvsError("NEED_PAGES", "the file is too short", { outcome: "none" });
    },
    lookAt: (_id, look) => {
      look(view);
      return Promise.resolve();
    },
    corrupt: (id, fault) => corruptPage("pages", id, id * PAGE_BYTES, fault),
  });
  let failure: unknown;
  void space.load(1).catch((error: unknown) => {
    failure = error;
  });
  if (failure !== undefined || space.regionCount === 0) return;
  const run = space.take(10);
  require(run.first > 2 && run.first + run.count <= 1000, "a page that was given out exists");
  space.release(run);
}

function* makeSamples(random: Random, sealer: PageSealer): Generator<Sample> {
  for (let count = 0; count < 20; count++) {
    const isBitmap = count % 4 === 0;
    const id = isBitmap ? 2 : 3 + random.below(1000);
    const page = new Uint8Array(PAGE_BYTES);
    const view = PageView.of(page);
    formatPage(view, toPageId(id), isBitmap ? PAGE_BITMAP : PAGE_LEAF);
    setPageLsn(view, toPageLsn(random.below(2 ** 32) * 1000));
    if (isBitmap) {
      setBits(view, reservedBits(toPageId(2)), true);
      setBits(view, { first: 3, count: random.below(900) }, true);
    } else random.fill(page.subarray(64));
    const body = page.slice(64);
    if (random.chance(0.5)) sealPage(page, OWNER);
    else sealer.seal(page);
    yield { page, kind: isBitmap ? "bitmap" : "page", id, fileId: FILE_ID, body };
  }
  for (let sequence = 2; sequence < 8; sequence++) {
    const page = encodeFileHeader({
      ...HEADER,
      sequence,
      redoLsn: toPageLsn(2 ** 40),
      regionCount: 9,
    });
    if (sequence % 2 === 0) sealer.authenticate(page);
    yield { page, kind: "header", id: sequence % 2, fileId: FILE_ID, body: page.slice(64) };
  }
}

/** Changes a page in one of the ways in which pages go bad, or are made bad. */
function mutate(random: Random, page: Uint8Array, other: Uint8Array): void {
  const isNearHeader = random.chance(0.5);
  const at = random.below(isNearHeader ? 160 : PAGE_BYTES);
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  const count = Math.min(1 + random.below(64), PAGE_BYTES - at);
  switch (random.below(7)) {
    case 0:
      page[at]! ^= 1 << random.below(8);
      return;
    case 1:
      page[at] = random.below(256);
      return;
    case 2:
      view.setUint32(at & ~3, NUMBERS[random.below(NUMBERS.length)]!, true);
      return;
    case 3:
      view.setUint16(at & ~1, NUMBERS[random.below(NUMBERS.length)]! & 0xffff, true);
      return;
    case 4:
      random.fill(page.subarray(at, at + count));
      return;
    case 5:
      page.set(other.subarray(at, at + count), at);
      return;
    default: {
      const sector = random.below(8) * 512;
      page.set(
        random.chance(0.5) ? new Uint8Array(512) : other.subarray(sector, sector + 512),
        sector,
      );
    }
  }
}
