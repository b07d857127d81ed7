import { assert } from "@kvs/env";
import { codecError, truncated } from "./codec-error.ts";
import { readFloat64 } from "./float64.ts";
import { type Key, type KeyPart } from "./key.ts";
import { KEY_ESCAPE, KeyTag } from "./ordered-key.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * Decodes what `encodeKey` made, as it was put: a tuple of one part comes back as a tuple. Bytes in
 * the key are copies.
 *
 * Only that one encoding is accepted, so keys are equal exactly if their bytes are.
 *
 * @param from Where the key begins. It must end at `to`.
 * @throws {KvsError} `CODEC_TRUNCATED`, `CODEC_MALFORMED`, `CODEC_INVALID_UTF8`.
 *
 * Cost: what is allocated is at most 16 bytes for each byte of input.
 */
export function decodeKey(bytes: Uint8Array, from = 0, to: number = bytes.length): Key {
  assert(from >= 0 && from <= to && to <= bytes.length, "the range lies within the bytes");
  const decoder = new KeyDecoder(bytes, from, to);
  const key = decoder.key();
  decoder.expectEnd();
  return key;
}

class KeyDecoder {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  #contentEnd = 0;

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.#bytes = bytes;
    this.#position = from;
    this.#end = to;
  }

  key(): Key {
    if (this.#peek() !== KeyTag.TUPLE) return this.#part();
    this.#position++;
    const parts: KeyPart[] = [];
    while (this.#peek() !== KeyTag.END) parts.push(this.#part());
    this.#position++;
    return parts;
  }

  expectEnd(): void {
    if (this.#position !== this.#end) throw malformed("bytes are left over", this.#position);
  }

  #peek(): number {
    if (this.#position >= this.#end) throw truncated(this.#position, 1, this.#end);
    return this.#bytes[this.#position]!;
  }

  #part(): KeyPart {
    const tag = this.#peek();
    this.#position++;
    switch (tag) {
      case KeyTag.NULL:
        return null;
      case KeyTag.FALSE:
        return false;
      case KeyTag.TRUE:
        return true;
      case KeyTag.NUMBER:
        return this.#number();
      case KeyTag.STRING:
        return this.#text();
      case KeyTag.BYTES:
        return this.#content();
      default:
        throw malformed(`a key has no tag ${tag}`, this.#position - 1);
    }
  }

  #number(): number {
    const at = this.#position;
    if (this.#end - at < 8) throw truncated(at, 8, this.#end);
    const turned = new Uint8Array(8);
    const mask = this.#bytes[at]! >= 0x80 ? 0 : 0xff;
    for (let byte = 0; byte < 8; byte++) turned[byte] = this.#bytes[at + byte]! ^ mask;
    if (mask === 0) turned[0]! &= 0x7f;
    const value = readFloat64(turned, 0);
    if (Number.isNaN(value) || Object.is(value, -0)) {
      throw malformed("NaN and -0 are no numbers of keys", at);
    }
    this.#position = at + 8;
    return value;
  }

  #text(): string {
    const from = this.#position;
    const escapes = this.#countEscapes();
    if (escapes > 0) return decodeUtf8(this.#unescaped(escapes));
    const end = this.#contentEnd;
    this.#position = end + 1;
    return decodeUtf8(this.#bytes, from, end);
  }

  #content(): Uint8Array {
    return this.#unescaped(this.#countEscapes());
  }

  /** The content up to `#contentEnd` with its escapes undone, in bytes of its own. */
  #unescaped(escapes: number): Uint8Array {
    const content = new Uint8Array(this.#contentEnd - this.#position - escapes);
    let at = this.#position;
    for (let position = 0; position < content.length; position++) {
      const byte = this.#bytes[at++]!;
      content[position] = byte === KEY_ESCAPE ? this.#bytes[at++]! - 1 : byte;
    }
    this.#position = this.#contentEnd + 1;
    return content;
  }

  /** Finds the 00 that ends the content, notes it in `#contentEnd`, and checks each escape. */
  #countEscapes(): number {
    let escapes = 0;
    for (let at = this.#position; at < this.#end; at++) {
      const byte = this.#bytes[at]!;
      if (byte === KeyTag.END) {
        this.#contentEnd = at;
        return escapes;
      }
      if (byte === KEY_ESCAPE) {
        at++;
        escapes++;
        if (at < this.#end) this.#checkEscaped(at);
      }
    }
    throw truncated(this.#end, 1, this.#end);
  }

  #checkEscaped(at: number): void {
    const escaped = this.#bytes[at];
    if (escaped !== 1 && escaped !== 2) throw malformed("no escape but 01 01 and 01 02", at - 1);
  }
}

function malformed(what: string, offset: number): Error {
  return codecError("CODEC_MALFORMED", `${what} at offset ${offset} of a key`, { offset });
}
