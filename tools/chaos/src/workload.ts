/**
 * What the writers write, such that what is found says which batches took effect.
 *
 * Caller c writes its batches one after the other, n = 1, 2, 3 …; all callers at once. The batches
 * of all callers have one common order, that of the calls: g = 1, 2, 3 …
 *
 *   key            value                 changed by batch n of caller c, the g-th of all
 *   head/c         n                     always
 *   ring/c/s       text of (c, n)        put at s = n % RING_SLOTS; s = (n + 1) % RING_SLOTS is deleted
 *   order/s        g c n                 put at s = g % ORDER_SLOTS
 *   last           g                     always: a key that everybody overwrites
 *
 * 1. All rows of a caller follow from n alone, so a store that holds a half batch, or a batch without
 *    those before it, shows rows that no n explains. Every value is unique.
 * 2. The orders up to `last` are there without a gap, or a batch overtook another one.
 */
import { type Mutation, type Store } from "@kvs/txn";

/** Batches of a caller whose values are there at once, less one. */
export const RING_SLOTS = 16;
/** Batches of all callers whose order is there at once. */
export const ORDER_SLOTS = 256;
/** Rings of callers with an odd number are in a tree of their own. */
const ODD_TREE = "odd";

/** The trees that the rows are in. */
export interface Trees {
  readonly main: number | undefined;
  readonly odd: number;
}

/** Makes the trees, or finds them. */
export async function openTrees(store: Store): Promise<Trees> {
  return { main: undefined, odd: await store.openTree(ODD_TREE) };
}

/** One batch: the `order`-th of all, the `number`-th of its caller. */
export interface BatchName {
  readonly caller: number;
  readonly number: number;
  readonly order: number;
}

/** The mutations of a batch. */
export function mutationsOf({ caller, number, order }: BatchName, trees: Trees): Mutation[] {
  const tree = ringTree(caller, trees);
  const slot = number % RING_SLOTS;
  const next = (number + 1) % RING_SLOTS;
  return [
    { type: "put", key: headKey(caller), value: bytesOf(String(number)) },
    { type: "put", key: ringKey(caller, slot), value: ringValue(caller, number), ...tree },
    { type: "delete", key: ringKey(caller, next), ...tree },
    { type: "put", key: orderKey(order), value: bytesOf(`${order} ${caller} ${number}`) },
    { type: "put", key: LAST_KEY, value: bytesOf(String(order)) },
  ];
}

/** The numbers whose values are in a caller's ring after its batch `number`. */
export function ringNumbers(number: number): number[] {
  const first = Math.max(1, number - RING_SLOTS + 2);
  return Array.from({ length: number - first + 1 }, (_, index) => first + index);
}

/** Where the ring of a caller is, as an option of reads and a part of mutations. */
export function ringTree(caller: number, trees: Trees): { tree?: number } {
  return caller % 2 === 1 ? { tree: trees.odd } : {};
}

export const LAST_KEY: Uint8Array = bytesOf("last");

export function headKey(caller: number): Uint8Array {
  return bytesOf(`head/${caller}`);
}

export function orderKey(order: number): Uint8Array {
  return bytesOf(`order/${order % ORDER_SLOTS}`);
}

/** The slot `RING_SLOTS` stands for the end of a ring. */
export function ringKey(caller: number, slot: number): Uint8Array {
  return bytesOf(`ring/${caller}/${String(slot).padStart(3, "0")}`);
}

/** Mostly short, some of several pages, few of many: every way to keep a value is used. */
export function ringValue(caller: number, number: number): Uint8Array {
  const name = `${caller}.${number};`;
  return bytesOf(name.repeat(Math.ceil(valueBytes(caller, number) / name.length)));
}

function valueBytes(caller: number, number: number): number {
  const drawn = Math.imul(caller * 8191 + number, 0x9e3779b1) >>> 0;
  const share = drawn % 100;
  const size = (drawn >>> 8) % 1000;
  if (share < 70) return 20 + size / 5;
  if (share < 90) return 500 + size * 3;
  if (share < 99) return 4000 + size * 10;
  return 40_000 + size * 60;
}

/** A row's text. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
