import { ByteReader } from "@kvs/codec";
import { MINI_IN_BATCH, NO_START, UNDO_PAGES, UNDO_ROW, damagedRecord } from "./engine-record.ts";
import { type Timestamp } from "./timestamp.ts";

/**
 * The head of a MINI or COMPENSATION record, as far as analysis and redo need it: one object reads
 * record after record and allocates nothing. Undo reads all of it, with `readMiniHead`.
 */
export class MiniHeadReader {
  flags = 0;
  /** 0 unless it belongs to a batch. */
  timestamp: Timestamp = 0;
  previousStart: number = NO_START;
  /** Where the ops begin. */
  opsFrom = 0;
  readonly #reader = new ByteReader(new Uint8Array(0));

  /** @throws {KvsError} `TXN_DAMAGED_LOG`. */
  read(payload: Uint8Array): void {
    const reader = this.#reader;
    try {
      reader.reset(payload);
      this.flags = reader.u8();
      const undo = reader.u8();
      const isInBatch = (this.flags & MINI_IN_BATCH) !== 0;
      this.timestamp = isInBatch ? reader.u64() : 0;
      this.previousStart = isInBatch ? reader.u64() : NO_START;
      if (undo === UNDO_ROW) {
        reader.varint();
        reader.skip(reader.varint());
      } else if (undo === UNDO_PAGES) {
        for (let left = reader.varint(); left > 0; left--) {
          reader.varint();
          reader.varint();
        }
      }
      this.opsFrom = reader.position;
      if (undo > UNDO_PAGES || this.flags > 3) throw damagedRecord();
    } catch (error) {
      throw damagedRecord(error);
    }
  }
}
