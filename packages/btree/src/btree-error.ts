import { type ErrorDetails, KvsError } from "@kvs/env";

/**
 * Codes of this package. None of them changed anything, so the outcome is always `none`; a repetition
 * fails the same way.
 *
 * - `BTREE_DAMAGED_OP`: a change of a page, as read from a log, makes no sense for that page; restore the log or the store from a copy.
 * - `BTREE_DAMAGED_PAGE`: a page of a tree is intact, but is not the page that belongs there; restore the store from a copy.
 * - `BTREE_DAMAGED_VALUE`: a long value is not what was written; restore it from a copy of the store.
 * - `BTREE_KEY_TOO_LARGE`: a key has more bytes than a tree takes; use a shorter one.
 * - `BTREE_VALUE_TOO_LARGE`: a value has more bytes than a tree takes; split it.
 * - `BTREE_NO_TREE`: a page file holds no tree; create one, or open another file.
 * - `BTREE_NOT_CLEAN`: a process ended while it changed a tree that no log protects; restore the file from a copy.
 * - `BTREE_NOT_EMPTY`: a load fills an empty tree only; put the entries one by one, or load into another tree.
 * - `BTREE_NOT_SORTED`: the entries of a load are not in ascending order of their keys; sort them, each key once.
 */
export type BtreeErrorCode =
  | "BTREE_DAMAGED_OP"
  | "BTREE_DAMAGED_PAGE"
  | "BTREE_DAMAGED_VALUE"
  | "BTREE_KEY_TOO_LARGE"
  | "BTREE_VALUE_TOO_LARGE"
  | "BTREE_NO_TREE"
  | "BTREE_NOT_CLEAN"
  | "BTREE_NOT_EMPTY"
  | "BTREE_NOT_SORTED";

/** Makes an error of this package, for the caller to throw. */
export function btreeError(
  code: BtreeErrorCode,
  message: string,
  details: ErrorDetails = {},
): KvsError<BtreeErrorCode> {
  return new KvsError(code, message, { outcome: "none", details });
}

/** An op that does not fit its page. */
export function damagedOp(offset: number, what: string): KvsError<BtreeErrorCode> {
  const message =
    `the page change at offset ${offset} of its log record is damaged (${what}); ` +
    "restore the log or the store from a copy";
  return btreeError("BTREE_DAMAGED_OP", message, { offset });
}

/** A page that passed its checksum and is yet not the one that belongs there: a lost write. */
export function damagedPage(page: number, what: string): KvsError<BtreeErrorCode> {
  const message =
    `page ${page} does not belong where the tree has it (${what}); ` +
    "a write was lost: restore the store from a copy";
  return btreeError("BTREE_DAMAGED_PAGE", message, { page });
}

/** A long value, or what names its pages, that makes no sense. */
export function damagedValue(what: string, details: ErrorDetails = {}): KvsError<BtreeErrorCode> {
  const message = `a long value is damaged (${what}); restore it from a copy of the store`;
  return btreeError("BTREE_DAMAGED_VALUE", message, details);
}
