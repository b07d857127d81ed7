import { type Random, assert } from "@kvs/env";
import { type Frame, PAGE_BYTES, type PageId, PageView } from "@kvs/pager";

const CHUNK_FRAMES = 64;

/** A chunk of frames that lie side by side, so that a write beyond a page hits a neighbour. */
class Chunk {
  readonly u8: Uint8Array = new Uint8Array(CHUNK_FRAMES * PAGE_BYTES).fill(0xee);
  readonly u16: Uint16Array = new Uint16Array(this.u8.buffer);
  readonly u32: Uint32Array = new Uint32Array(this.u8.buffer);
}

/**
 * Pages in frames, and those that were put away because frames ran out. A frame that a page left is
 * overwritten, so that who still looks at it is found out.
 */
export class FramePool {
  readonly #limit: number;
  readonly #random: Random;
  readonly #chunks: Chunk[] = [];
  readonly #freeFrames: Frame[] = [];
  readonly #frames = new Map<PageId, Frame>();
  readonly #away = new Map<PageId, Uint8Array>();

  constructor(limit: number, random: Random) {
    this.#limit = limit;
    this.#random = random;
  }

  /** The page's frame, if it is resident. */
  frameOf(id: PageId): Frame | undefined {
    return this.#frames.get(id);
  }

  get framesLeft(): number {
    return this.#limit - this.#frames.size;
  }

  point(frame: Frame, view: PageView): PageView {
    const chunk = this.#chunks[Math.floor(frame / CHUNK_FRAMES)]!;
    view.u8 = chunk.u8;
    view.u16 = chunk.u16;
    view.u32 = chunk.u32;
    view.base = (frame % CHUNK_FRAMES) * PAGE_BYTES;
    return view;
  }

  viewOf(id: PageId): PageView {
    const frame = this.#frames.get(id);
    assert(frame !== undefined, "the page is at hand");
    return this.point(frame, new PageView());
  }

  /** A copy of the page, wherever it is. */
  bytesOf(id: PageId): Uint8Array {
    const away = this.#away.get(id);
    if (away !== undefined) return away.slice();
    const view = this.viewOf(id);
    return view.u8.slice(view.base, view.base + PAGE_BYTES);
  }

  /** Puts pages away, chosen by chance, until so many frames are free. */
  makeRoom(frames: number): void {
    while (this.framesLeft < frames) {
      const ids = [...this.#frames.keys()];
      const id = ids[this.#random.below(ids.length)]!;
      this.#away.set(id, this.bytesOf(id));
      this.#release(id);
    }
  }

  /** Brings a page back. */
  load(id: PageId): void {
    if (this.#frames.has(id)) return;
    const bytes = this.#away.get(id);
    assert(bytes !== undefined, "only a page that exists is loaded");
    this.makeRoom(1);
    this.#away.delete(id);
    const view = this.install(id);
    view.u8.set(bytes, view.base);
  }

  /** Gives a new page a frame full of zeros. */
  install(id: PageId, view: PageView = new PageView()): PageView {
    assert(!this.#frames.has(id), "a page is in one frame at most");
    this.#away.delete(id);
    if (this.#freeFrames.length === 0) {
      const first = this.#chunks.length * CHUNK_FRAMES;
      this.#chunks.push(new Chunk());
      for (let frame = CHUNK_FRAMES - 1; frame >= 0; frame--) this.#freeFrames.push(first + frame);
    }
    const frame = this.#freeFrames.pop()!;
    this.#frames.set(id, frame);
    this.point(frame, view);
    view.u8.fill(0, view.base, view.base + PAGE_BYTES);
    return view;
  }

  /** Forgets a page. */
  drop(id: PageId): void {
    if (this.#frames.has(id)) this.#release(id);
    this.#away.delete(id);
  }

  #release(id: PageId): void {
    const view = this.viewOf(id);
    view.u8.fill(0xee, view.base, view.base + PAGE_BYTES);
    this.#freeFrames.push(this.#frames.get(id)!);
    this.#frames.delete(id);
  }
}
