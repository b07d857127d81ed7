import { type Timestamp } from "./timestamp.ts";

/** Who waits for a batch. */
interface Settler {
  readonly resolve: (timestamp: Timestamp) => void;
  readonly reject: (error: unknown) => void;
}

const NOBODY: Settler = { resolve: () => undefined, reject: () => undefined };

/** What goes wrong on purpose. */
interface PublisherSabotage {
  /** Readers see a batch that is applied, durable or not. */
  readonly publishesEarly?: boolean;
  /** So do those who wait for it. */
  readonly acknowledgesEarly?: boolean;
}

/**
 * Makes committed batches visible, in order, when their commit records are durable.
 *
 * `publishedTs` is the newest timestamp whose batch, and every one before it, is applied and
 * durable: what readers read at. It only grows.
 */
export class Publisher {
  #publishedTs: Timestamp;
  readonly #timestamps: Timestamp[] = [];
  readonly #lsns: number[] = [];
  readonly #settlers: Settler[] = [];
  readonly #sabotage: PublisherSabotage;
  #head = 0;

  /** @param sabotage For tests. */
  constructor(publishedTs: Timestamp, sabotage: PublisherSabotage = {}) {
    this.#publishedTs = publishedTs;
    this.#sabotage = sabotage;
  }

  get publishedTs(): Timestamp {
    return this.#publishedTs;
  }

  /** Batches that are applied and not yet durable. */
  get pendingCount(): number {
    return this.#lsns.length - this.#head;
  }

  /** Resolves, with the timestamp, when the batch whose last record ends at `lsn` is published. */
  add(timestamp: Timestamp, lsn: number): Promise<Timestamp> {
    return new Promise((resolve, reject) => {
      this.#timestamps.push(timestamp);
      this.#lsns.push(lsn);
      this.#settlers.push({ resolve, reject });
      if (this.#sabotage.publishesEarly === true) this.#publishedTs = timestamp;
      if (this.#sabotage.acknowledgesEarly === true) this.advance(lsn);
    });
  }

  /** Publishes every batch whose records end at or before `lsn`. */
  advance(lsn: number): void {
    let head = this.#head;
    while (head < this.#lsns.length && this.#lsns[head]! <= lsn) head++;
    if (head === this.#head) return;
    this.#publishedTs = this.#timestamps[head - 1]!; // all become visible before any is answered
    for (let at = this.#head; at < head; at++) this.#settlers[at]!.resolve(this.#timestamps[at]!);
    this.#head = head;
    this.#forgetPublished();
  }

  /** Tells those who wait that nobody knows yet. Their batches are published when they are durable. */
  giveUp(error: unknown): void {
    for (let at = this.#head; at < this.#settlers.length; at++) {
      this.#settlers[at]!.reject(error);
      this.#settlers[at] = NOBODY;
    }
  }

  /** Rejects every batch that is not published: nobody can tell whether it will be. */
  fail(error: unknown): void {
    for (let at = this.#head; at < this.#settlers.length; at++) this.#settlers[at]!.reject(error);
    this.#head = this.#settlers.length;
    this.#forgetPublished();
  }

  #forgetPublished(): void {
    if (this.#head < this.#lsns.length && this.#head < 4096) return;
    this.#timestamps.splice(0, this.#head);
    this.#lsns.splice(0, this.#head);
    this.#settlers.splice(0, this.#head);
    this.#head = 0;
  }
}
