import { assert, type Random } from "@kvs/env";

/**
 * How one direction between two hosts behaves. All numbers, so that settings can be stored and
 * replayed.
 *
 * The last four break the contract of a connection, on purpose: they turn its ordered stream into
 * a lossy, reordering channel, to show that a protocol checks what it receives.
 */
export interface LinkSettings {
  /** Every message takes at least this long. */
  readonly delayMinMs: number;
  /** And, on top, an exponentially distributed time with this mean. */
  readonly delayMeanMs: number;
  /** 0 means without limit. */
  readonly bandwidthBytesPerSecond: number;
  /** Chance that a segment is lost and sent again, 200 ms later or more. 0 to 0.9. */
  readonly lossProbability: number;
  /** Chance, for each segment, that its connection breaks and loses a suffix. */
  readonly resetProbability: number;
  /** Chance, for each segment of several frames, that it arrives in two parts. */
  readonly splitProbability: number;
  /** Chance that a frame vanishes. */
  readonly dropProbability: number;
  /** Chance that a frame arrives twice. */
  readonly duplicateProbability: number;
  /** Chance that a frame arrives after later ones. */
  readonly reorderProbability: number;
  /** Chance that bytes of a frame are changed. */
  readonly corruptProbability: number;
}

/** A quiet local network: 0.1 ms and some, nothing lost. */
export const QUIET_LINK: LinkSettings = {
  delayMinMs: 0.1,
  delayMeanMs: 0.1,
  bandwidthBytesPerSecond: 0,
  lossProbability: 0,
  resetProbability: 0,
  splitProbability: 0.1,
  dropProbability: 0,
  duplicateProbability: 0,
  reorderProbability: 0,
  corruptProbability: 0,
};

/** TCP sends again after this long, then twice that, and so on. */
const RETRANSMIT_MICROS = 200_000;
/** Times one segment is lost at most. */
const LOSSES_MAX = 6;

/** Something that waits for a link to carry again. */
export interface LinkWaiter {
  linkRestored(): void;
}

/** One direction between two hosts. */
export class Link {
  readonly from: string;
  readonly to: string;
  readonly random: Random;
  readonly #defaults: () => LinkSettings;
  readonly #isDark: () => boolean;
  #overrides: Partial<LinkSettings>[] = [];
  #merged: LinkSettings | undefined;
  #mergedFrom: LinkSettings | undefined;
  #waiters: LinkWaiter[] = [];
  #blocks = 0;
  #heals = 0;
  #busyUntilMicros = 0;

  constructor(options: {
    from: string;
    to: string;
    random: Random;
    defaults: () => LinkSettings;
    /** Whether one of the two hosts is without power. */
    isDark: () => boolean;
  }) {
    this.from = options.from;
    this.to = options.to;
    this.random = options.random;
    this.#defaults = options.defaults;
    this.#isDark = options.isDark;
  }

  /** The network's defaults with this link's overrides, the latest first. */
  get settings(): LinkSettings {
    const defaults = this.#defaults();
    if (this.#merged === undefined || this.#mergedFrom !== defaults) {
      this.#merged = Object.assign({}, defaults, ...this.#overrides) as LinkSettings;
      this.#mergedFrom = defaults;
    }
    return this.#merged;
  }

  get isBlocked(): boolean {
    return this.#blocks > 0 || this.#isDark();
  }

  /**
   * Puts settings on top of those in force.
   *
   * @returns A function that takes them off again. Call it once; after `heal` it does nothing.
   */
  override(settings: Partial<LinkSettings>): () => void {
    const own = { ...settings };
    this.#overrides.push(own);
    this.#merged = undefined;
    return () => {
      this.#overrides = this.#overrides.filter((other) => other !== own);
      this.#merged = undefined;
    };
  }

  /**
   * Carries nothing until unblocked as often as blocked.
   *
   * @returns A function that unblocks. Call it once; after `heal` it does nothing.
   */
  block(): () => void {
    this.#blocks++;
    const heals = this.#heals;
    return () => {
      if (this.#heals !== heals) return;
      assert(this.#blocks > 0, "a link is unblocked as often as it was blocked");
      this.#blocks--;
      this.wake();
    };
  }

  /** Tells those who wait, if the link carries again: call it when a host's power returns. */
  wake(): void {
    if (this.isBlocked) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.linkRestored();
  }

  /** Removes all blocks and overrides. */
  heal(): void {
    this.#overrides = [];
    this.#merged = undefined;
    this.#blocks = 0;
    this.#heals++;
    this.wake();
  }

  /** Calls `waiter.linkRestored` once, as soon as the link is no longer blocked. */
  wait(waiter: LinkWaiter): void {
    assert(this.isBlocked, "one waits only for a blocked link");
    this.#waiters.push(waiter);
  }

  /** Draws how long a message without payload takes. */
  drawDelayMicros(): number {
    const { delayMinMs, delayMeanMs } = this.settings;
    const exponential = -Math.log(1 - this.random.nextFloat()) * delayMeanMs;
    return 1 + Math.floor((delayMinMs + exponential) * 1000);
  }

  /**
   * Draws how long `bytes` take, after what the link is still busy with.
   *
   * @param countFault Told each loss.
   */
  drawTransferMicros(bytes: number, nowMicros: number, countFault: (kind: string) => void): number {
    const { bandwidthBytesPerSecond, lossProbability } = this.settings;
    let micros = this.drawDelayMicros();
    if (bandwidthBytesPerSecond > 0) {
      const begin = Math.max(nowMicros, this.#busyUntilMicros);
      const transfer = Math.ceil((bytes * 1e6) / bandwidthBytesPerSecond);
      this.#busyUntilMicros = begin + transfer;
      micros += begin + transfer - nowMicros;
    }
    if (lossProbability === 0) return micros;
    for (let loss = 0; loss < LOSSES_MAX && this.random.chance(lossProbability); loss++) {
      micros += RETRANSMIT_MICROS << loss;
      countFault("network.loss");
    }
    return micros;
  }
}
