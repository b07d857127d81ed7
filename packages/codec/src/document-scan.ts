import { assert } from "@kvs/env";
import { codecError, truncated } from "./codec-error.ts";
import {
  DOCUMENT_DEPTH_MAX,
  DOCUMENT_MAX_BYTES,
  type DocumentLimits,
  NESTING_MAX,
} from "./document-value.ts";
import { SHAPE_OF, Shape, TIMESTAMP_TYPE, Token, WIDTH_OF, readLength } from "./msgpack.ts";
import { readTimestampMs } from "./timestamp.ts";
import { decodeUtf8, invalidUtf8, isUtf8 } from "./utf8.ts";

/**
 * Checks that bytes are exactly one document within the limits, before anything is made of it:
 * every length against the bytes that are left, nesting, texts, dates, names, and that nothing
 * follows. What passes, `decodeDocument` decodes without an error.
 *
 * It walks without recursion, so depth costs no stack.
 *
 * @throws {KvsError} `CODEC_TOO_LARGE`, `CODEC_TOO_DEEP`, `CODEC_TRUNCATED`, `CODEC_MALFORMED`,
 *   `CODEC_INVALID_UTF8`, `CODEC_DUPLICATE_NAME`, `CODEC_OUT_OF_RANGE`.
 *
 * Cost: about 2 ns a byte; memory only for the names of the objects that are open, at most 64 bytes
 * for each byte of input.
 */
export function checkDocument(bytes: Uint8Array, limits: DocumentLimits = {}): void {
  const { depthMax = DOCUMENT_DEPTH_MAX, maxBytes = DOCUMENT_MAX_BYTES } = limits;
  assert(depthMax >= 0 && depthMax <= NESTING_MAX, "the depth limit lies in [0, 1000]");
  if (bytes.length > maxBytes) {
    const message = `a document of ${bytes.length} bytes exceeds the ${maxBytes} allowed`;
    throw codecError("CODEC_TOO_LARGE", message, { sizeBytes: bytes.length, maxBytes });
  }
  new DocumentScan(bytes, depthMax).run();
}

/** Objects with more members than this are checked for equal names all at once, when they end. */
const FEW_NAMES = 16;

class DocumentScan {
  readonly #bytes: Uint8Array;
  readonly #depthMax: number;
  #position = 0;

  // The innermost open container. The root counts as an array of one.
  #left = 1;
  #isObject = false;
  #namesFrom = 0;
  #namesTo = 0;
  /** The containers around it: `left`, `isObject`, `namesFrom` of each, the outermost first. */
  readonly #outer: number[] = [];
  /** Names of the open objects, up to `#namesTo`: hash, offset, end of each, innermost last. */
  readonly #names: number[] = [];

  constructor(bytes: Uint8Array, depthMax: number) {
    this.#bytes = bytes;
    this.#depthMax = depthMax;
  }

  /** Ends: each round consumes a byte or closes a container. */
  run(): void {
    while (this.#left > 0 || this.#outer.length > 0) {
      if (this.#left === 0) {
        this.#close();
        continue;
      }
      this.#left--;
      if (this.#isObject) this.#name();
      this.#value();
    }
    if (this.#position === this.#bytes.length) return;
    throw malformed("bytes are left over after the document", this.#position);
  }

  #value(): void {
    const at = this.#position;
    if (at >= this.#bytes.length) throw truncated(at, 1, this.#bytes.length);
    const token = this.#bytes[at]!;
    const shape = SHAPE_OF[token]!;
    if (shape === Shape.SCALAR) {
      this.#skip(1 + WIDTH_OF[token]!);
    } else if (shape === Shape.STRING) {
      const from = this.#skipContent();
      if (!isUtf8(this.#bytes, from, this.#position)) throw invalidUtf8(from);
    } else if (shape === Shape.ARRAY || shape === Shape.MAP) {
      this.#open(shape === Shape.MAP);
    } else if (shape === Shape.BYTES) {
      this.#skipContent();
    } else if (shape === Shape.TIMESTAMP) {
      this.#timestamp(token);
    } else {
      throw malformed(`a document has no type 0x${token.toString(16)}`, at);
    }
  }

  /** A count is believed only if the shortest contents it can mean fit into the input. */
  #open(isObject: boolean): void {
    const at = this.#position;
    const depth = this.#outer.length / 3;
    if (depth >= this.#depthMax) throw this.#tooDeep();
    this.#skip(1 + WIDTH_OF[this.#bytes[at]!]!);
    const count = readLength(this.#bytes, at);
    const leastBytes = isObject ? count * 2 : count;
    if (leastBytes > this.#bytes.length - this.#position) {
      throw truncated(this.#position, leastBytes, this.#bytes.length);
    }
    this.#outer.push(this.#left, this.#isObject ? 1 : 0, this.#namesFrom);
    this.#left = count;
    this.#isObject = isObject;
    this.#namesFrom = this.#namesTo;
  }

  #close(): void {
    if (this.#namesTo - this.#namesFrom > FEW_NAMES * 3) this.#checkManyNames();
    this.#namesTo = this.#namesFrom;
    this.#namesFrom = this.#outer.pop()!;
    this.#isObject = this.#outer.pop() === 1;
    this.#left = this.#outer.pop()!;
  }

  #name(): void {
    const at = this.#position;
    if (at >= this.#bytes.length) throw truncated(at, 1, this.#bytes.length);
    if (SHAPE_OF[this.#bytes[at]!] !== Shape.STRING) {
      throw malformed("the name of a member is not a text", at);
    }
    const from = this.#skipContent();
    const to = this.#position;
    let hash = to - from;
    let seen = 0;
    for (let byte = from; byte < to; byte++) {
      hash = Math.imul(hash ^ this.#bytes[byte]!, 0x0100_0193); // FNV-1a
      seen |= this.#bytes[byte]!;
    }
    if (seen >= 0x80 && !isUtf8(this.#bytes, from, to)) throw invalidUtf8(from);
    if (this.#namesTo - this.#namesFrom < FEW_NAMES * 3) this.#checkFewNames(hash, from, to);
    const names = this.#names;
    names[this.#namesTo++] = hash;
    names[this.#namesTo++] = from;
    names[this.#namesTo++] = to;
  }

  /** Compares a new name with those before it in its object. */
  #checkFewNames(hash: number, from: number, to: number): void {
    const names = this.#names;
    for (let at = this.#namesFrom; at < this.#namesTo; at += 3) {
      if (names[at] === hash && this.#isSameName(names[at + 1]!, names[at + 2]!, from, to)) {
        throw duplicateName(from);
      }
    }
  }

  #isSameName(from: number, to: number, otherFrom: number, otherTo: number): boolean {
    if (to - from !== otherTo - otherFrom) return false;
    for (let offset = 0; offset < to - from; offset++) {
      if (this.#bytes[from + offset] !== this.#bytes[otherFrom + offset]) return false;
    }
    return true;
  }

  /**
   * Compares all names of the object that ends: sorted hashes first, and only if two are equal the
   * texts, in a set whose hashes an attacker cannot foresee. So many names never take squared time.
   */
  #checkManyNames(): void {
    const count = (this.#namesTo - this.#namesFrom) / 3;
    const hashes = new Int32Array(count);
    for (let name = 0; name < count; name++)
      hashes[name] = this.#names[this.#namesFrom + name * 3]!;
    hashes.sort();
    let hasEqualHashes = false;
    for (let name = 1; name < count; name++) hasEqualHashes ||= hashes[name] === hashes[name - 1];
    if (!hasEqualHashes) return;
    const texts = new Set<string>();
    for (let at = this.#namesFrom; at < this.#namesTo; at += 3) {
      const from = this.#names[at + 1]!;
      texts.add(decodeUtf8(this.#bytes, from, this.#names[at + 2]));
      if (texts.size <= (at - this.#namesFrom) / 3) throw duplicateName(from);
    }
  }

  #timestamp(token: number): void {
    const at = this.#position;
    const width = WIDTH_OF[token]!;
    const headerBytes = token === Token.EXTENSION_8 ? 3 : 2;
    this.#skip(headerBytes + width);
    const isTimestamp = this.#bytes[at + headerBytes - 1] === TIMESTAMP_TYPE;
    const hasOtherLength = token === Token.EXTENSION_8 && this.#bytes[at + 1] !== width;
    if (!isTimestamp || hasOtherLength) throw malformed("an extension is not a timestamp", at);
    readTimestampMs(this.#bytes, at + headerBytes, width);
  }

  /** Moves past a text or bytes and returns where their content begins. */
  #skipContent(): number {
    const at = this.#position;
    this.#skip(1 + WIDTH_OF[this.#bytes[at]!]!);
    const from = this.#position;
    this.#skip(readLength(this.#bytes, at));
    return from;
  }

  #skip(count: number): void {
    const after = this.#position + count;
    if (after > this.#bytes.length) throw truncated(this.#position, count, this.#bytes.length);
    this.#position = after;
  }

  #tooDeep(): Error {
    return codecError(
      "CODEC_TOO_DEEP",
      `the document nests deeper than the ${this.#depthMax} levels allowed`,
      { depthMax: this.#depthMax, offset: this.#position },
    );
  }
}

function malformed(what: string, offset: number): Error {
  return codecError("CODEC_MALFORMED", `${what}, at offset ${offset}`, { offset });
}

function duplicateName(offset: number): Error {
  const message = `an object has the name at offset ${offset} twice`;
  return codecError("CODEC_DUPLICATE_NAME", message, { offset });
}
