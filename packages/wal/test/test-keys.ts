import { type DataKeys, KEY_BYTES } from "@kvs/env";
import { toyCiphers } from "@kvs/sim";

const KNOWN: readonly number[] = [1, 2, 3, 70_000, 0xffff_ffff];

/** Keys that a test switches and destroys. */
export class TestKeys implements DataKeys {
  currentId = 1;
  readonly destroyed: Set<number> = new Set();

  cipherOf(keyId: number): ReturnType<DataKeys["cipherOf"]> {
    if (!KNOWN.includes(keyId) || this.destroyed.has(keyId)) return undefined;
    return toyCiphers.aes256Gcm(new Uint8Array(KEY_BYTES).fill(keyId));
  }
}
