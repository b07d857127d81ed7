import { KEY_BYTES, type KeyProvider, KvsError, type WrappedKey, assert } from "@kvs/env";

const MASTER_KEY = "toy";
const MASK = 0x5a;

/** A master key that hides nothing but the data key's bytes; it refuses what it did not wrap. */
export const toyKeyProvider: KeyProvider = {
  name: "the simulation's master key",
  wrap: (dataKey: Uint8Array): Promise<WrappedKey> => {
    assert(dataKey.length === KEY_BYTES, "a data key has 32 bytes");
    const bytes = dataKey.map((byte) => byte ^ MASK);
    return Promise.resolve({ masterKeyName: MASTER_KEY, bytes });
  },
  unwrap: ({ masterKeyName, bytes }: WrappedKey): Promise<Uint8Array> => {
    if (masterKeyName === MASTER_KEY && bytes.length === KEY_BYTES) {
      return Promise.resolve(bytes.map((byte) => byte ^ MASK));
    }
    const refusal = new KvsError("KEY_REFUSED", "this is not a wrapped key", { outcome: "none" });
    return Promise.reject(refusal);
  },
};
