import { type Environment, Mutex, isKvsError, yieldTurn } from "@kvs/env";
import { type PageId, type Pager, toPageId } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { type Checkpointer } from "./checkpoint.ts";
import { RECORD_PADDING } from "./engine-record.ts";
import { type KeyRing } from "./key-ring.ts";
import { type LogHolds } from "./log-hold.ts";
import { type PageRewriter } from "./page-rewriter.ts";

/** Pages of the file looked at in one go. */
const LOOK_PAGES = 512;
/** Pages rewritten in one turn among the batches: about a millisecond. */
const REWRITE_PAGES = 16;
/** Passes over the file after which a rotation leaves the rest for the next. */
const PASSES_MAX = 16;
/** Records that push the log into its next segment. */
const PADDING_BYTES: number = 256 << 10;

export interface KeyRotationParts {
  readonly environment: Environment;
  readonly ring: KeyRing;
  readonly pager: Pager;
  readonly wal: Wal;
  readonly checkpointer: Checkpointer;
  readonly rewriter: PageRewriter;
  readonly holds: LogHolds;
  /** @throws {KvsError} once the store is closed. */
  readonly requireOpen: () => void;
}

/** Pages that no key helps to read. */
const DAMAGES = [
  "PAGER_CORRUPT_PAGE",
  "PAGER_NOT_AUTHENTIC",
  "PAGER_LOST_WRITE",
  "PAGER_KEY_UNKNOWN",
] as const;

/** What became of pages under old keys: how many were logged, and whether some cannot be read. */
interface Rewritten {
  readonly count: number;
  readonly isDamaged: boolean;
}

/** What a rotation did. */
export interface RotatedKeys {
  /** The key that seals from now on. */
  readonly keyId: number;
  readonly rewrittenPages: number;
  /** Keys that nothing needs any more; the ring has forgotten them. */
  readonly destroyed: readonly number[];
  /** Keys that something may still need: pages that cannot be read, or a copy under way. */
  readonly kept: readonly number[];
}

/**
 * Seals a living store with a fresh key, and destroys the old ones.
 *
 * 1. The new key becomes durable in the ring, then current: log and pages are sealed with it.
 * 2. Every page under another key, or plain, is logged as an image, a few at a time among the
 *    batches: a page that a crash tears while it is written anew is made whole by the log.
 * 3. Checkpoints bring them to their places. A pass that finds none, and a checkpoint behind it: no
 *    page on the disk is under an old key, nor is one of the header's copies.
 * 4. The log goes on in a fresh segment, and is cut before it.
 * 5. What neither page nor log needs is destroyed. A crash before leaves all keys in the ring; the
 *    next open goes on with step 2.
 */
export class KeyRotation {
  readonly #parts: KeyRotationParts;
  readonly #mutex = new Mutex();
  /** Sabotage: keys go while pages and log still need them. */
  readonly #destroysEarly: boolean;

  constructor(parts: KeyRotationParts) {
    this.#parts = parts;
    this.#destroysEarly = parts.environment.hooks.hasMutant("txn.destroy-key-early");
  }

  /** Rotates; a second call waits for the first, then makes its own. @see Store.rotateKeys */
  rotate(): Promise<RotatedKeys> {
    return this.#mutex.run(async () => {
      this.#parts.requireOpen();
      const keyId = await this.#parts.ring.addKey();
      const rewrittenPages = await this.#replaceOld();
      return this.#finish(keyId, rewrittenPages);
    });
  }

  /** Goes on with a rotation that a crash stopped, if there is one. */
  async resume(): Promise<void> {
    const { ring } = this.#parts;
    if (ring.idsIn("retired").length + ring.idsIn("rewritten").length === 0) return;
    await this.#mutex.run(async () => {
      this.#parts.environment.hooks.probe("txn.rotation-resumed");
      await this.#finish(ring.currentId, await this.#replaceOld());
    });
  }

  /** Waits for a rotation under way. */
  async idle(): Promise<void> {
    await this.#mutex.run(() => undefined);
  }

  /** Steps 2 and 3. Returns how many pages were rewritten. */
  async #replaceOld(): Promise<number> {
    const { ring, checkpointer } = this.#parts;
    const retired = ring.idsIn("retired");
    if (this.#destroysEarly) await ring.destroy(retired);
    let rewritten = 0;
    for (let pass = 1; pass <= PASSES_MAX; pass++) {
      const found = await this.#pass();
      rewritten += found.count;
      await checkpointer.run();
      // Writes that were under way when the key changed ended with the first checkpoint.
      if (pass === 1 || found.count > 0) continue;
      if (!found.isDamaged && !this.#destroysEarly) await ring.markRewritten(retired);
      break;
    }
    return rewritten;
  }

  /** Looks at the whole file once, and logs images of what is under an old key. */
  async #pass(): Promise<Rewritten> {
    const { pager, environment, requireOpen } = this.#parts;
    let count = 0;
    let isDamaged = false;
    for (let from: PageId | undefined = toPageId(0); from !== undefined;) {
      const look = await pager.pagesUnderOldKeys(from, LOOK_PAGES);
      for (let at = 0; at < look.pages.length; at += REWRITE_PAGES) {
        requireOpen();
        const rewritten = await this.#rewrite(look.pages.slice(at, at + REWRITE_PAGES));
        count += rewritten.count;
        isDamaged ||= rewritten.isDamaged;
        await yieldTurn(environment.clock);
      }
      isDamaged ||= look.damagedCount > 0;
      from = look.next;
    }
    return { count, isDamaged };
  }

  /** Logs images of these pages; those whose checksum is right and which are no pages are left. */
  async #rewrite(ids: readonly PageId[]): Promise<Rewritten> {
    try {
      return { count: await this.#parts.rewriter.rewrite(ids), isDamaged: false };
    } catch (error) {
      if (!isKvsError(error, ...DAMAGES)) throw error;
      if (ids.length === 1) return { count: 0, isDamaged: true };
    }
    let count = 0;
    for (const id of ids) count += (await this.#rewrite([id])).count;
    return { count, isDamaged: true };
  }

  /** Steps 4 and 5. */
  async #finish(keyId: number, rewrittenPages: number): Promise<RotatedKeys> {
    const { ring, wal, checkpointer, holds } = this.#parts;
    const done = ring.idsIn("rewritten");
    let used = await wal.keysInUse();
    if (done.some((id) => used.has(id)) && !holds.isHeld) {
      await this.#beginSegment();
      await checkpointer.run();
      used = await wal.keysInUse();
    }
    // A copy under way may have read pages that were sealed with them.
    const destroyed = holds.isHeld ? [] : done.filter((id) => !used.has(id));
    await ring.destroy(destroyed);
    const kept = [...ring.idsIn("retired"), ...ring.idsIn("rewritten")];
    return { keyId, rewrittenPages, destroyed, kept };
  }

  /** Fills the rest of the segment, with bytes that do not compress. */
  async #beginSegment(): Promise<void> {
    const { wal, environment, requireOpen } = this.#parts;
    const { segmentBytes, headPosition } = wal.stats();
    const baseOf = (position: number): number =>
      position - ((position - headPosition) % segmentBytes);
    const next = baseOf(wal.endLsn) + segmentBytes;
    const padding = environment.random.fill(new Uint8Array(PADDING_BYTES));
    while (wal.endLsn <= next) {
      requireOpen();
      const length = Math.min(PADDING_BYTES, next - wal.endLsn);
      await wal.ensureSpace(length);
      wal.append(RECORD_PADDING, padding, length);
      await wal.room();
    }
    await wal.sync();
  }
}
