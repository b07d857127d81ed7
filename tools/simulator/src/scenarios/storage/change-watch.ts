import { type DiskCall, type SimStorage } from "@kvs/sim";

/** Disk calls that change nothing. */
const READS: ReadonlySet<string> = new Set([
  "readAt",
  "readAtSync",
  "size",
  "stat",
  "list",
  "space",
  "lock",
  "unlock",
  "close",
]);

/** Knows whether a crash now could leave other images than a crash at the call before. */
export class ChangeWatch {
  readonly #storage: SimStorage;
  #begun = 0;
  #last = "";

  constructor(storage: SimStorage) {
    this.#storage = storage;
  }

  note({ operation }: DiskCall): boolean {
    if (!READS.has(operation)) this.#begun++;
    const { bytesWritten, syncs } = this.#storage.stats;
    const now = `${this.#begun} ${bytesWritten} ${syncs}`;
    if (now === this.#last) return false;
    this.#last = now;
    return true;
  }
}
