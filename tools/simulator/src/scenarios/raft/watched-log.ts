import { type EntryBatch, type GroupLog, type LogImage } from "@kvs/raft";
import { type KnownLog } from "./known-log.ts";

type LogWrite = Parameters<GroupLog["write"]>[0];

/** A log that tells what is written, and what is durable since when. */
export class WatchedLog implements GroupLog {
  readonly #inner: GroupLog;
  readonly #known: KnownLog;
  readonly #onWrite: (write: LogWrite) => void;

  constructor(inner: GroupLog, known: KnownLog, onWrite: (write: LogWrite) => void) {
    this.#inner = inner;
    this.#known = known;
    this.#onWrite = onWrite;
  }

  image(): LogImage {
    return this.#inner.image();
  }

  write(write: LogWrite): void {
    this.#onWrite(write);
    this.#inner.write(write);
    this.#known.write(write);
  }

  async sync(): Promise<void> {
    const mark = this.#known.beginSync();
    try {
      await this.#inner.sync();
      this.#known.endSync(mark, true);
    } catch (error) {
      this.#known.endSync(mark, false);
      throw error;
    }
  }

  read(from: number, to: number, maxBytes: number): readonly EntryBatch[] | undefined {
    return this.#inner.read(from, to, maxBytes);
  }

  onLoaded(listener: (error?: unknown) => void): void {
    this.#inner.onLoaded(listener);
  }
}
