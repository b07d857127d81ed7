import { type TraceHash } from "../trace-hash.ts";
import { type SparseBytes } from "./sparse-bytes.ts";

/** Two 32-bit hashes of one block. */
interface BlockHash {
  readonly low: number;
  readonly high: number;
}

/** A hole, or a block of zeros. */
const NOTHING: BlockHash = { low: 0, high: 0 };

/**
 * Remembers the hashes of blocks that disks share, so that thousands of images that differ in a few
 * sectors can be told apart quickly.
 */
export class BlockHashes {
  readonly #known = new WeakMap<Uint8Array, BlockHash>();

  /** Folds the bytes of a file into `hash`: the same for the same bytes, whatever their blocks. */
  addTo(hash: TraceHash, bytes: SparseBytes): void {
    let low = 0;
    let high = 0;
    bytes.forEachBlock((index, block, isShared) => {
      const found = isShared ? this.#of(block) : hashBlock(block);
      if (found === NOTHING) return;
      // Summed, for blocks come in no order.
      low = (low + mix(found.low ^ Math.imul(index + 1, 0x9e3779b1))) | 0;
      high = (high + mix(found.high + Math.imul(index + 1, 0x85ebca6b))) | 0;
    });
    hash.add(low);
    hash.add(high);
  }

  #of(block: Uint8Array): BlockHash {
    let found = this.#known.get(block);
    if (found === undefined) {
      found = hashBlock(block);
      this.#known.set(block, found);
    }
    return found;
  }
}

function hashBlock(block: Uint8Array): BlockHash {
  const words = new Uint32Array(block.buffer, block.byteOffset, block.length >>> 2);
  let low = 0x811c9dc5;
  let high = 0x2545f491;
  let all = 0;
  for (const word of words) {
    all |= word;
    low = Math.imul(low ^ word, 0x01000193);
    low ^= low >>> 15;
    high = Math.imul(high + word, 0xc2b2ae35);
    high ^= high >>> 13;
  }
  return all === 0 ? NOTHING : { low, high };
}

function mix(value: number): number {
  const mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  return mixed ^ (mixed >>> 15);
}
