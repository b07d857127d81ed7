import { type File, assert } from "@kvs/env";

/** One write at most; records beyond it wait for the next. */
const GROUP_BYTES_MAX = 1 << 20;

/**
 * Natural group commit, the least that a log does: whatever was asked for while a durable write was
 * under way goes with the next one, without timers.
 */
export class GroupCommitter {
  readonly #file: File;
  readonly #fileBytes: number;
  readonly #buffers = [new Uint8Array(GROUP_BYTES_MAX), new Uint8Array(GROUP_BYTES_MAX)];
  #waiting: (() => void)[] = [];
  #failed: ((error: unknown) => void)[] = [];
  #gatheredBytes = 0;
  #position = 0;
  #isWriting = false;

  /** @param fileBytes The file is overwritten from its beginning when this is reached. */
  constructor(file: File, fileBytes: number) {
    assert(fileBytes >= GROUP_BYTES_MAX, "the file holds at least one group");
    this.#file = file;
    this.#fileBytes = fileBytes;
  }

  /** Writes a record; durable when answered. The bytes are copied at once. */
  write(record: Uint8Array): Promise<void> {
    assert(this.#gatheredBytes + record.length <= GROUP_BYTES_MAX, "a group has a bounded size");
    this.#buffers[0]!.set(record, this.#gatheredBytes);
    this.#gatheredBytes += record.length;
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      this.#failed.push(reject);
      if (!this.#isWriting) void this.#writeGroups();
    });
  }

  async #writeGroups(): Promise<void> {
    this.#isWriting = true;
    await Promise.resolve(); // callers of the same turn go with the first group
    while (this.#gatheredBytes > 0) {
      const [waiting, failed, bytes] = [this.#waiting, this.#failed, this.#gatheredBytes];
      const group = this.#buffers[0]!.subarray(0, bytes);
      this.#buffers.reverse();
      this.#waiting = [];
      this.#failed = [];
      this.#gatheredBytes = 0;
      if (this.#position + bytes > this.#fileBytes) this.#position = 0;
      try {
        await this.#file.writeDurableAt(group, this.#position);
        this.#position += bytes;
        for (const resolve of waiting) resolve();
      } catch (error) {
        for (const reject of failed) reject(error);
      }
    }
    this.#isWriting = false;
  }
}
