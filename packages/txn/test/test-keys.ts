import { KEY_BYTES, type KeyProvider, KvsError, type WrappedKey, assert } from "@kvs/env";

/** How far a wrapped key is shifted: so that it does not show itself. */
const SHIFT = 0x5a;

/**
 * Wraps data keys so that tests can tell them apart: not secret, but refuses what the real ones refuse.
 * `secrets` maps names of master keys to numbers; the last one is the newest.
 */
export function testProvider(
  secrets: Readonly<Record<string, number>> = { first: 1 },
): KeyProvider {
  return {
    name: "the test's keys",
    wrap(dataKey: Uint8Array): Promise<WrappedKey> {
      assert(dataKey.length === KEY_BYTES, "a data key has 32 bytes");
      const [masterKeyName, secret] = Object.entries(secrets).at(-1)!;
      const bytes = new Uint8Array(KEY_BYTES + 1);
      bytes[0] = secret;
      for (const [at, byte] of dataKey.entries()) bytes[at + 1] = byte ^ SHIFT ^ secret;
      return Promise.resolve({ masterKeyName, bytes });
    },
    unwrap({ masterKeyName, bytes }: WrappedKey): Promise<Uint8Array> {
      const secret = secrets[masterKeyName];
      if (secret === undefined) return Promise.reject(refusal("KEY_UNKNOWN_MASTER"));
      if (bytes[0] !== secret) return Promise.reject(refusal("KEY_REFUSED"));
      return Promise.resolve(bytes.slice(1).map((byte) => byte ^ SHIFT ^ secret));
    },
  };
}

function refusal(code: string): KvsError {
  return new KvsError(code, "the test's keys do not fit", { outcome: "none" });
}
