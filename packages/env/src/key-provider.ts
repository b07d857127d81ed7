/**
 * Where master keys live: a file, an environment variable, a key management service. A store has
 * random keys of its own for its data (envelope encryption); the provider only wraps and unwraps
 * those, so that a master key is never near the data, and changing it rewrites a few bytes.
 */
export interface KeyProvider {
  /** What to call it in messages: never contains a key. */
  readonly name: string;
  /**
   * Seals a data key under the newest master key.
   *
   * @param dataKey `KEY_BYTES` long; not kept.
   * @throws {KvsError} `KEY_UNAVAILABLE`.
   */
  wrap(dataKey: Uint8Array): Promise<WrappedKey>;
  /**
   * Opens what `wrap` made, under whichever master key it names.
   *
   * @returns `KEY_BYTES` fresh bytes, the caller's to wipe.
   * @throws {KvsError} `KEY_UNKNOWN_MASTER`, `KEY_REFUSED`, `KEY_UNAVAILABLE`.
   */
  unwrap(wrapped: WrappedKey): Promise<Uint8Array>;
}

/** A data key, sealed. It tells nothing without the master key that it names. */
export interface WrappedKey {
  /** The master key's name: 1 to 64 characters of ASCII. */
  readonly masterKeyName: string;
  /** At most 1,024 bytes; what they mean is the provider's affair. */
  readonly bytes: Uint8Array;
}

/**
 * Codes of key providers.
 *
 * - `KEY_UNAVAILABLE` (retryable): the master key cannot be read at the moment, or was never set up.
 * - `KEY_UNKNOWN_MASTER`: a data key was wrapped with a master key that the provider does not have.
 * - `KEY_REFUSED`: the master key of that name is not the one that the data key was wrapped with.
 */
export type KeyProviderErrorCode = "KEY_UNAVAILABLE" | "KEY_UNKNOWN_MASTER" | "KEY_REFUSED";
