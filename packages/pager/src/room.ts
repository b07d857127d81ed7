import { type Environment, type KvsError, assert } from "@kvs/env";
import { type FrameCache } from "./frame-cache.ts";
import { type Frame } from "./page-miss.ts";
import { type WriteBack } from "./write-back.ts";

/** Pages that an attempt keeps: a merge of a tree changes parent, left, right and bitmap at once. */
const PINS_MAX = 4;

/** One run of a body that has missed pages so far. Older ones have lower numbers, and go first. */
export class Attempt {
  readonly number: number;
  /** Frames pinned for it, the one loaded last at the end. At most four. */
  readonly pins: Frame[] = [];
  /** Frames taken for it that hold no page yet. */
  readonly setAside: Frame[] = [];

  constructor(number: number) {
    this.number = number;
  }
}

interface Wish {
  readonly attempt: Attempt;
  readonly count: number;
  /** Whether it waits for the dirty share to fall as well. */
  readonly isForChanges: boolean;
}

interface Request extends Wish {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Hands out frames to attempts, in the order of the attempts' age.
 *
 * No deadlock, with four frames and any number of attempts: pins hold only until an older attempt
 * needs the frame. The oldest attempt that waits takes what is free, else what is clean and
 * unpinned, else what a write makes clean, else its own oldest pins (if it needs several frames), else
 * the pins of the youngest. What nobody can take from it is its own four pages. Who loses a pin may
 * miss that page again; the oldest never does, so it ends, and then there is another oldest.
 *
 * An attempt waits for one thing at a time, and never for another attempt.
 */
export class Room {
  readonly #cache: FrameCache;
  readonly #hooks: Environment["hooks"];
  readonly #dirtyMax: number;
  /** Frames emptied beyond what was asked for, so that creating pages seldom has to wait. */
  readonly #reserve: number;
  readonly #holders: Set<Attempt> = new Set();
  /** By age, the oldest first. */
  readonly #waiting: Request[] = [];
  #writeBack: WriteBack | undefined;
  #attemptCount = 0;

  constructor(environment: Environment, cache: FrameCache) {
    this.#cache = cache;
    this.#hooks = environment.hooks;
    this.#dirtyMax = Math.floor((cache.frameCount * 3) / 4);
    this.#reserve = Math.min(Math.floor(cache.frameCount / 64), 64);
  }

  /** The two need each other. */
  connect(writeBack: WriteBack): void {
    this.#writeBack = writeBack;
  }

  begin(): Attempt {
    return new Attempt(this.#attemptCount++);
  }

  end(attempt: Attempt): void {
    this.#unpin(attempt, attempt.pins.length);
    this.returnSetAside(attempt);
    this.serve();
  }

  /** Whether somebody waits. */
  get isWaitedFor(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether a mutation that needs so many new frames can begin in this turn. Takes none yet. */
  hasRoom(count: number): boolean {
    const cache = this.#cache;
    if (cache.dirtyCount > this.#dirtyMax) return false;
    while (cache.freeCount < count) if (!cache.evict(true)) return false;
    return true;
  }

  /** Pins a page that the attempt just got, in place of its oldest pin if it has four. */
  pin(attempt: Attempt, frame: Frame): void {
    this.#cache.pin(frame);
    attempt.pins.push(frame);
    this.#holders.add(attempt);
    if (attempt.pins.length > PINS_MAX) this.#unpin(attempt, 1);
  }

  /** Frees the frames set aside: for the body to take, when it runs at once. */
  returnSetAside(attempt: Attempt): void {
    for (const frame of attempt.setAside) this.#cache.giveBack(frame);
    attempt.setAside.length = 0;
  }

  /**
   * Sets frames aside for an attempt.
   *
   * @param isForChanges Waits also until no more than 3/4 of all frames are dirty.
   * @returns What to wait for, or `undefined` if they are set aside already.
   * @throws {KvsError} Of the write that should have freed one; `PAGER_CLOSED`.
   */
  take(attempt: Attempt, count: number, isForChanges: boolean): Promise<void> | undefined {
    assert(count <= this.#cache.frameCount, "an attempt asks for no more frames than there are");
    assert(attempt.setAside.length === 0, "an attempt has used or returned what was set aside");
    const wish = { attempt, count, isForChanges };
    if (this.#waiting.length === 0 && this.#tryServe(wish, false)) return undefined;
    return new Promise((resolve, reject) => {
      let at = this.#waiting.length;
      while (at > 0 && this.#waiting[at - 1]!.attempt.number > attempt.number) at--;
      this.#waiting.splice(at, 0, { ...wish, resolve, reject });
      this.serve();
    });
  }

  /** Gives frames to those who wait, as far as there are any. */
  serve(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const error = this.#writeBack!.error;
      if (this.#tryServe(next, error !== undefined)) {
        this.#waiting.shift();
        next.resolve();
      } else if (error === undefined) {
        this.#writeBack!.pump();
        return;
      } else {
        if (!this.#needsWrite(next)) return;
        this.#waiting.shift();
        next.reject(error);
      }
    }
  }

  /** A write failed: who needs one is told so. Who needs only what others hold waits on. */
  fail(error: KvsError): void {
    for (const request of this.#waiting.splice(0)) {
      if (this.#tryServe(request, true)) request.resolve();
      else if (this.#needsWrite(request)) request.reject(error);
      else this.#waiting.push(request);
    }
  }

  /** Tells everybody who waits that there will never be a frame again. */
  close(error: KvsError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Whether a request cannot be served with the frames that are not dirty. */
  #needsWrite({ attempt, isForChanges }: Wish): boolean {
    const { dirtyCount, frameCount } = this.#cache;
    return isForChanges || frameCount - dirtyCount <= attempt.pins.length;
  }

  /** @param withoutWrites No write will free a frame. */
  #tryServe(wish: Wish, withoutWrites: boolean): boolean {
    const cache = this.#cache;
    const { attempt, count } = wish;
    if (wish.isForChanges && cache.dirtyCount > this.#dirtyMax) return false;
    while (cache.freeCount < count) {
      if (cache.evict(false) || this.#unpinFor(wish, withoutWrites)) continue;
      return false;
    }
    while (attempt.setAside.length < count) attempt.setAside.push(cache.take());
    while (cache.freeCount < this.#reserve && cache.evict(false));
    return true;
  }

  /** Gives up pins for a request, if nothing else will help. */
  #unpinFor({ attempt, count }: Wish, withoutWrites: boolean): boolean {
    if (attempt.pins.length > 0 && attempt.pins.length + count > this.#cache.frameCount) {
      this.#unpin(attempt, 1);
      return true;
    }
    if (!withoutWrites && this.#cache.hasUnpinnedDirty()) return false;
    let youngest: Attempt | undefined;
    for (const holder of this.#holders) {
      if (holder.number > (youngest ?? attempt).number) youngest = holder;
    }
    if (youngest === undefined) return false;
    this.#hooks.probe("pager.pins-taken");
    this.#unpin(youngest, youngest.pins.length);
    return true;
  }

  /** Gives up the oldest pins. */
  #unpin(attempt: Attempt, count: number): void {
    for (const frame of attempt.pins.splice(0, count)) this.#cache.unpin(frame);
    if (attempt.pins.length === 0) this.#holders.delete(attempt);
  }
}
