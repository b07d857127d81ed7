import { assert } from "@kvs/env";
import { NEWEST_VERSION } from "./probe.ts";
import { TREE_KEY_BYTES_MAX } from "./tree-page.ts";

/**
 * A separator beside a page: all rows under the page are on one side of it. Infinite until one is
 * met on the way down.
 */
export class Fence {
  readonly bytes: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  length = 0;
  /** `NEWEST_VERSION` if the separator has none: it stands before all versions of its key. */
  version: number = NEWEST_VERSION;
  isFinite = false;

  clear(): void {
    this.length = 0;
    this.isFinite = false;
  }

  /** Takes the first `length` of these bytes, copied, and a version. */
  set(bytes: Uint8Array, length: number, version: number = NEWEST_VERSION): void {
    assert(length <= TREE_KEY_BYTES_MAX, "a fence is no longer than a key");
    for (let at = 0; at < length; at++) this.bytes[at] = bytes[at]!;
    this.length = length;
    this.version = version;
    this.isFinite = true;
  }

  /** Whether it is finite and has this key. */
  hasKey(bytes: Uint8Array, length: number): boolean {
    if (!this.isFinite || this.length !== length) return false;
    let at = 0;
    while (at < length && this.bytes[at] === bytes[at]) at++;
    return at === length;
  }

  copyFrom(other: Fence): void {
    if (other.isFinite) this.set(other.bytes, other.length, other.version);
    else this.clear();
  }
}

/** Length of what every key between the two fences begins with. */
export function commonPrefix(low: Fence, high: Fence): number {
  if (!low.isFinite || !high.isFinite) return 0;
  const common = Math.min(low.length, high.length);
  let length = 0;
  while (length < common && low.bytes[length] === high.bytes[length]) length++;
  return length;
}
