/**
 * One compression method, synchronous. The bytes name neither method nor length: whoever stores
 * them stores both, and gives the length back as the bound.
 *
 * - `CODEC_COMPRESSED`: compressed bytes are damaged, or hold another length than was stored.
 */
export interface Compressor {
  /** Its name in formats and settings: `zstd`, `fast`. Never changes its meaning. */
  readonly name: string;
  /** Compresses `plain` into fresh bytes; they may be longer than the input. */
  compress(plain: Uint8Array): Uint8Array;
  /**
   * Restores what `compress` made.
   *
   * @param plainBytes The exact length of the result; nothing longer is ever allocated.
   * @throws {KvsError} `CODEC_COMPRESSED` if the bytes are damaged or of another length.
   */
  decompress(packed: Uint8Array, plainBytes: number): Uint8Array;
}

export interface Compressors {
  /** Dense: values at rest, backups. RFC 8878. */
  readonly zstd: Compressor;
  /** Cheap: the log, the network. */
  readonly fast: Compressor;
}
