/**
 * Where a page's bytes are: views that all frames of a chunk share, and the page's place in them.
 * One object is pointed at page after page, so that looking at a page allocates nothing.
 *
 * It stays valid until the next call that may load or evict a page: use it within one turn, and
 * point it anew after each such call.
 */
export class PageView {
  /** The chunk that holds the page, as bytes. */
  u8: Uint8Array = NOTHING_U8;
  /** The same memory as 16-bit and 32-bit words in the machine's order (little-endian). */
  u16: Uint16Array = NOTHING_U16;
  u32: Uint32Array = NOTHING_U32;
  /** Offset of the page in `u8`; a multiple of the page size. */
  base = 0;

  /** Points at a page that lies alone in a buffer of its own; for tests and inspectors. */
  static of(bytes: Uint8Array): PageView {
    const view = new PageView();
    view.u8 = new Uint8Array(bytes.buffer);
    view.u16 = new Uint16Array(bytes.buffer);
    view.u32 = new Uint32Array(bytes.buffer);
    view.base = bytes.byteOffset;
    return view;
  }
}

const NOTHING_U8 = new Uint8Array(0);
const NOTHING_U16 = new Uint16Array(0);
const NOTHING_U32 = new Uint32Array(0);
