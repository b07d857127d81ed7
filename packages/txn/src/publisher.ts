import { type Timestamp } from "./timestamp.ts";

/** Who waits for a batch. */
interface Settler {
  readonly resolve: (timestamp: Timestamp) => void;
  readonly reject: (error: unknown) => void;
}

const NOBODY: Settler = { resolve: () => undefined, reject: () => undefined };

/** How batches are published, and what goes wrong on purpose. */
interface PublisherOptions {
  /** Batches are durable elsewhere before they come: they are visible once applied. */
  readonly isReplicated?: boolean;
  /** Readers see a batch that is applied, durable or not. */
  readonly publishesEarly?: boolean;
  /** So do those who wait for it. */
  readonly acknowledgesEarly?: boolean;
}

/**
 * Makes committed batches visible, in order, when their commit records are durable.
 *
 * `publishedTs` is the newest timestamp whose batch, and every one before it, is applied and
 * durable: what readers read at. It only grows. Of a replicated store it is the newest applied one;
 * `durableTs` lags behind it, up to which the store itself has everything on its disk.
 */
export class Publisher {
  #publishedTs: Timestamp;
  #durableTs: Timestamp;
  readonly #timestamps: Timestamp[] = [];
  readonly #lsns: number[] = [];
  readonly #settlers: Settler[] = [];
  readonly #options: PublisherOptions;
  #head = 0;

  constructor(publishedTs: Timestamp, options: PublisherOptions = {}) {
    this.#publishedTs = publishedTs;
    this.#durableTs = publishedTs;
    this.#options = options;
  }

  get publishedTs(): Timestamp {
    return this.#publishedTs;
  }

  /** The newest batch that a crash leaves in this store, with every one before it. */
  get durableTs(): Timestamp {
    return this.#durableTs;
  }

  /** Batches that are applied and not yet durable. */
  get pendingCount(): number {
    return this.#lsns.length - this.#head;
  }

  /** Resolves, with the timestamp, when the batch whose last record ends at `lsn` is published. */
  add(timestamp: Timestamp, lsn: number): Promise<Timestamp> {
    if (this.#options.isReplicated === true) {
      this.#timestamps.push(timestamp);
      this.#lsns.push(lsn);
      this.#settlers.push(NOBODY);
      this.#publishedTs = timestamp;
      return Promise.resolve(timestamp);
    }
    return new Promise((resolve, reject) => {
      this.#timestamps.push(timestamp);
      this.#lsns.push(lsn);
      this.#settlers.push({ resolve, reject });
      if (this.#options.publishesEarly === true) this.#publishedTs = timestamp;
      if (this.#options.acknowledgesEarly === true) this.advance(lsn);
    });
  }

  /** Publishes every batch whose records end at or before `lsn`. */
  advance(lsn: number): void {
    let head = this.#head;
    while (head < this.#lsns.length && this.#lsns[head]! <= lsn) head++;
    if (head === this.#head) return;
    this.#durableTs = this.#timestamps[head - 1]!;
    // All become visible before any is answered.
    if (this.#durableTs > this.#publishedTs) this.#publishedTs = this.#durableTs;
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
