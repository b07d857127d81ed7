import { type LogIndex } from "../core/ids.ts";
import { type ConfirmedRead } from "../core/ready.ts";
import { readAborted } from "./driver-error.ts";

interface Reader {
  readonly resolve: (index: LogIndex) => void;
  readonly reject: (error: unknown) => void;
}

/** Who waits for a read index to be confirmed, and then to be applied. */
export class Reads {
  readonly #open: Map<number, Reader[]> = new Map();
  #confirmed: { readonly index: LogIndex; readonly readers: readonly Reader[] }[] = [];

  add(context: number, resolve: Reader["resolve"], reject: Reader["reject"]): void {
    const readers = this.#open.get(context);
    if (readers === undefined) this.#open.set(context, [{ resolve, reject }]);
    else readers.push({ resolve, reject });
  }

  confirm(reads: readonly ConfirmedRead[], appliedIndex: LogIndex): void {
    for (const { context, index } of reads) {
      const readers = this.#open.get(context);
      if (readers === undefined) continue;
      this.#open.delete(context);
      this.#confirmed.push({ index, readers });
    }
    this.applied(appliedIndex);
  }

  /** The state took in everything up to `appliedIndex`. */
  applied(appliedIndex: LogIndex): void {
    if (this.#confirmed.length === 0) return;
    const due = this.#confirmed.filter(({ index }) => index <= appliedIndex);
    this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
    for (const { index, readers } of due) for (const { resolve } of readers) resolve(index);
  }

  fail(contexts: readonly number[]): void {
    for (const context of contexts) {
      const readers = this.#open.get(context) ?? [];
      this.#open.delete(context);
      for (const { reject } of readers) reject(readAborted());
    }
  }

  abort(error: unknown): void {
    for (const readers of this.#open.values()) for (const { reject } of readers) reject(error);
    for (const { readers } of this.#confirmed) for (const { reject } of readers) reject(error);
    this.#open.clear();
    this.#confirmed = [];
  }
}
