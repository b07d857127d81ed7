import { KEY_BYTES_MAX } from "../batch-format.ts";

/**
 * A key of a tree as text: what locks, windows and write sets are looked up by. Names of one tree
 * compare as their keys do.
 *
 * Cost: 0.3 µs for 24 bytes; the text takes a byte for each byte of the key, and some 20 more.
 */
export function keyName(tree: number, key: Uint8Array): string {
  const length = TREE_CHARACTERS + key.length;
  const bytes = length <= scratch.length ? scratch : new Uint8Array(length);
  bytes[0] = tree >>> 24;
  bytes[1] = tree >>> 16;
  bytes[2] = tree >>> 8;
  bytes[3] = tree;
  bytes.set(key, TREE_CHARACTERS);
  // In one piece: text put together from two takes twice the memory, and as long again to look up.
  // Not by spreading, four times as slow; nor byte by byte, twice.
  const name = bytes.subarray(0, length);
  return String.fromCharCode.apply(undefined, name as unknown as number[]);
}

/** The tree of a name. */
export function treeOfName(name: string): number {
  let tree = 0;
  for (let at = 0; at < TREE_CHARACTERS; at++) tree = tree * 0x100 + name.charCodeAt(at);
  return tree;
}

/** The key of a name, in bytes of its own. */
export function keyOfName(name: string): Uint8Array {
  const key = new Uint8Array(name.length - TREE_CHARACTERS);
  for (let at = 0; at < key.length; at++) key[at] = name.charCodeAt(at + TREE_CHARACTERS);
  return key;
}

const TREE_CHARACTERS = 4;
/** Filled before each use in the same call: nothing passes from one call to the next. */
const scratch = new Uint8Array(TREE_CHARACTERS + KEY_BYTES_MAX);

/** Names [from, to): `to` is `undefined` if all names of the tree from there on are in it. */
export interface NameRange {
  readonly tree: number;
  readonly from: string;
  readonly to: string | undefined;
}

/** Whether a name lies in the range. */
export function isInRange(name: string, { tree, from, to }: NameRange): boolean {
  return treeOfName(name) === tree && name >= from && (to === undefined || name < to);
}
