import { type Compressors, type DataKeys } from "@kvs/env";

import { FragmentOpener, type SealedHeader, sealKeyId } from "./fragment-seal.ts";
import { type SegmentSource } from "./log-cursor.ts";
import { isCompressed, plainLengthOf, unpack } from "./record-compression.ts";
import { SEALED_FRAGMENT } from "./record-format.ts";
import { type Sabotage } from "./sabotage.ts";
import { damaged, keyUnknown, notAuthentic } from "./wal-error.ts";

export interface RecordOpenerOptions {
  readonly source: Pick<SegmentSource, "geometry" | "identity" | "pathOf">;
  readonly compressors: Compressors;
  readonly keys: DataKeys | undefined;
  /** From here on every fragment must be sealed. Default: none must. */
  readonly sealedFrom?: number;
  /** No payload longer than this is restored. */
  readonly maxRecordBytes: number;
  readonly sabotage: Sabotage;
}

/** Turns what fragments hold into what was appended. */
export class RecordOpener {
  /** Unsealed fragments that begin here or later are refused. */
  readonly sealedFrom: number;
  readonly #source: RecordOpenerOptions["source"];
  readonly #compressors: Compressors;
  readonly #maxRecordBytes: number;
  readonly #opener: FragmentOpener;

  constructor(options: RecordOpenerOptions) {
    this.#source = options.source;
    this.#compressors = options.compressors;
    this.sealedFrom = options.sealedFrom ?? Infinity;
    this.#maxRecordBytes = options.maxRecordBytes;
    this.#opener = new FragmentOpener(options.keys, options.source.identity, options.sabotage);
  }

  /**
   * Opens a fragment's payload, in place if it is sealed.
   *
   * @param payload Its bytes are lost if this throws.
   * @returns The part of the record's content that the fragment holds: a view.
   * @throws {KvsError} `WAL_KEY_UNKNOWN`, `WAL_NOT_AUTHENTIC`.
   */
  open(header: SealedHeader, start: number, payload: Uint8Array): Uint8Array {
    if ((header.flags & SEALED_FRAGMENT) === 0) {
      if (start < this.sealedFrom) return payload;
      throw notAuthentic({ ...this.#place(start), position: start, keyId: 0 });
    }
    const content = this.#opener.open(header, start, payload);
    if (content === "unknown key") throw keyUnknown(this.#sealedPlace(start, payload));
    if (content === "not authentic") throw notAuthentic(this.#sealedPlace(start, payload));
    return content;
  }

  /**
   * Restores the payload of a whole record.
   *
   * @param start Of the record, for messages.
   * @throws {KvsError} `WAL_DAMAGED`: it does not restore, or to more than `maxRecordBytes`, and no
   *   memory was taken for that.
   */
  restore(flags: number, start: number, content: Uint8Array): Uint8Array {
    if (!isCompressed(flags)) return content;
    const plain = unpack(this.#compressors, flags, content, this.#maxRecordBytes);
    if (plain !== undefined) return plain;
    const { path, offset } = this.#place(start);
    const found = plainLengthOf(content) ?? content.length;
    const what = `the compressed record in ${path} at offset ${offset} cannot be restored to ${found} bytes`;
    const expected = `at most ${this.#maxRecordBytes} bytes`;
    throw damaged(what, { path, offset, position: start, reason: "compression", expected, found });
  }

  #sealedPlace(
    start: number,
    payload: Uint8Array,
  ): { path: string; offset: number; position: number; keyId: number } {
    return { ...this.#place(start), position: start, keyId: sealKeyId(payload) };
  }

  #place(start: number): { path: string; offset: number } {
    const base = this.#source.geometry.baseOf(start);
    return { path: this.#source.pathOf(base), offset: start - base };
  }
}
