import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from "@kvs/codec";
import { BatchReader } from "../batch-format.ts";
import { txnError } from "../txn-error.ts";
import { keyName } from "./key-name.ts";

/** The longest global id, in UTF-8. */
export const GLOBAL_ID_BYTES_MAX = 200;

/**
 * A prepared transaction, or what became of it, as a row of a system tree:
 *
 *   key   = global id (UTF-8)
 *   value = 1 preparedAtMs (u64) coordinatorBytes (varint) coordinator batch    prepared
 *         | 2                                                                   committed
 *         | 3                                                                   rolled back
 *
 * The version of a row that says "committed" is that of what was written with it.
 *
 * Format: docs/formats/prepared.md.
 */
export type PreparedRow =
  | {
      readonly state: "prepared";
      readonly preparedAtMs: number;
      /** Who decides, for people and for those who ask. */
      readonly coordinator: string;
      /** What is to be written, encoded. */
      readonly batch: Uint8Array;
    }
  | { readonly state: "committed" }
  | { readonly state: "rolled-back" };

const PREPARED = 1;
const COMMITTED = 2;
const ROLLED_BACK = 3;

export function encodePreparedRow(row: PreparedRow): Uint8Array {
  const writer = new ByteWriter();
  if (row.state === "prepared") {
    writer.u8(PREPARED);
    writer.u64(row.preparedAtMs);
    writer.varBytes(encodeUtf8(row.coordinator));
    writer.bytes(row.batch);
  } else if (row.state === "committed") {
    writer.u8(COMMITTED);
  } else {
    writer.u8(ROLLED_BACK);
  }
  return writer.toBytes();
}

/** @throws {KvsError} `TXN_DAMAGED_PREPARED`. */
export function decodePreparedRow(bytes: Uint8Array): PreparedRow {
  const reader = new ByteReader(bytes);
  try {
    const state = reader.u8();
    if (state === PREPARED) {
      const preparedAtMs = reader.u64();
      const coordinator = decodeUtf8(reader.varBytes());
      return { state: "prepared", preparedAtMs, coordinator, batch: bytes.slice(reader.position) };
    }
    if (state === COMMITTED) return { state: "committed" };
    if (state === ROLLED_BACK) return { state: "rolled-back" };
    throw new RangeError(`state ${state}`);
  } catch (cause) {
    const message =
      "the record of a prepared transaction is damaged; restore the store from a copy";
    throw txnError("TXN_DAMAGED_PREPARED", message, { cause });
  }
}

/** The names of the keys that a batch writes. */
export function namesOfBatch(batch: Uint8Array): string[] {
  const reader = new BatchReader().reset(batch);
  const names: string[] = [];
  while (reader.next()) {
    names.push(keyName(reader.tree, batch.subarray(reader.keyFrom, reader.keyTo)));
  }
  return names;
}
