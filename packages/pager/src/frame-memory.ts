import { PAGE_BYTES } from "./page-header.ts";
import { type Frame } from "./page-miss.ts";
import { type PageView } from "./page-view.ts";

const CHUNK_BITS = 16;
/** Frames that share one buffer: 256 MiB. */
const CHUNK_FRAMES = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_FRAMES - 1;
const PAGE_BITS = 12;

interface Chunk {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
}

/**
 * The bytes of all frames: few large buffers with views that all their frames share, so that
 * looking at a page makes no object. Outside the heap of V8, and never a SharedArrayBuffer: copies
 * into one are 4 to 8 times slower.
 */
export class FrameMemory {
  readonly #chunks: Chunk[] = [];

  /** @param count Frames, at least 1. */
  constructor(count: number) {
    for (let from = 0; from < count; from += CHUNK_FRAMES) {
      const buffer = new ArrayBuffer(Math.min(CHUNK_FRAMES, count - from) * PAGE_BYTES);
      this.#chunks.push({
        u8: new Uint8Array(buffer),
        u16: new Uint16Array(buffer),
        u32: new Uint32Array(buffer),
      });
    }
  }

  /** Points `view` at the frame's bytes. */
  point(frame: Frame, view: PageView): void {
    const chunk = this.#chunks[frame >>> CHUNK_BITS]!;
    view.u8 = chunk.u8;
    view.u16 = chunk.u16;
    view.u32 = chunk.u32;
    view.base = (frame & CHUNK_MASK) << PAGE_BITS;
  }

  /** The frame's bytes as an array of their own over the same memory. */
  bytes(frame: Frame): Uint8Array {
    const base = (frame & CHUNK_MASK) << PAGE_BITS;
    return this.#chunks[frame >>> CHUNK_BITS]!.u8.subarray(base, base + PAGE_BYTES);
  }
}
