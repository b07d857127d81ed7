import { type Environment, type KvsError, type Timer, assert, isKvsError } from "@kvs/env";
import { type Channel, type ChannelHandlers, openChannel } from "./channel.ts";
import { type ClientSettings } from "./client-options.ts";
import { type ConnectionTarget } from "./connection-url.ts";
import { backoffMs } from "./retry-policy.ts";

export interface PoolHandlers extends Omit<ChannelHandlers, "draining"> {
  /** There is a channel to send on. */
  readonly opened: () => void;
  /** No channel is open, and an attempt to open one failed. */
  readonly failed: (error: KvsError) => void;
}

/** One of the connections that the pool keeps: open, being opened, or waiting to be. */
interface Slot {
  channel: Channel | undefined;
  isOpening: boolean;
  timer: Timer | undefined;
  /** Attempts since it was last open. */
  attempts: number;
}

/**
 * Keeps a number of connections open: what is lost is opened again, at the next host of the URL,
 * with growing pauses.
 */
export class ConnectionPool {
  readonly #environment: Environment;
  readonly #target: ConnectionTarget;
  readonly #settings: ClientSettings;
  readonly #handlers: PoolHandlers;
  readonly #slots: Slot[];
  /** Channels that only wait for their last answers. */
  readonly #draining = new Set<Channel>();
  #nextHost = 0;
  #nextSlot = 0;
  #isClosed = false;

  constructor(
    environment: Environment,
    options: { readonly target: ConnectionTarget; readonly settings: ClientSettings },
    handlers: PoolHandlers,
  ) {
    this.#environment = environment;
    this.#target = options.target;
    this.#settings = options.settings;
    this.#handlers = handlers;
    this.#slots = Array.from({ length: options.settings.connections }, () => ({
      channel: undefined,
      isOpening: false,
      timer: undefined,
      attempts: 0,
    }));
  }

  /**
   * Opens the first connection: each host is tried once. The others follow.
   *
   * @throws {KvsError} what the last host came to, or the first that refused for good.
   */
  async open(): Promise<void> {
    const first = this.#slots[0]!;
    for (let tries = 1; ; tries++) {
      try {
        await this.#openOnce(first);
        break;
      } catch (error) {
        const isWorthMore = isKvsError(error) && error.retryable;
        if (!isWorthMore || tries === this.#target.hosts.length) throw error;
      }
    }
    for (const slot of this.#slots) this.#openSoon(slot, 0);
  }

  /** A channel to send on now, taking turns; `undefined` if none has room. */
  pick(): Channel | undefined {
    for (let tries = 0; tries < this.#slots.length; tries++) {
      const { channel } = this.#slots[this.#nextSlot]!;
      this.#nextSlot = (this.#nextSlot + 1) % this.#slots.length;
      if (channel !== undefined && channel.isOpen && !channel.isBlocked) return channel;
    }
    return undefined;
  }

  sweep(nowMs: number): void {
    for (const { channel } of this.#slots) channel?.sweep(nowMs);
    for (const channel of this.#draining) channel.sweep(nowMs);
  }

  /** Closes all connections, and opens none any more. */
  close(): void {
    this.#isClosed = true;
    for (const slot of this.#slots) {
      slot.timer?.cancel();
      slot.channel?.close();
    }
    for (const channel of this.#draining) channel.close();
  }

  async #openOnce(slot: Slot): Promise<void> {
    const { hosts, database } = this.#target;
    const address = hosts[this.#nextHost % hosts.length]!;
    this.#nextHost++;
    slot.isOpening = true;
    try {
      const channel = await openChannel(
        this.#environment,
        {
          address,
          database,
          clientName: this.#settings.name,
          timeoutMs: this.#settings.connectTimeoutMs,
        },
        {
          answered: this.#handlers.answered,
          drained: this.#handlers.drained,
          draining: () => this.#drain(slot),
          lost: (lost, cause) => this.#lost(slot, lost, cause),
        },
      );
      assert(slot.channel === undefined, "a slot holds one channel");
      if (!channel.isAlive) return; // lost in the same turn; `#lost` was told
      slot.channel = channel;
      slot.attempts = 0;
      if (this.#isClosed) channel.close();
      else this.#handlers.opened();
    } finally {
      slot.isOpening = false;
    }
  }

  #openSoon(slot: Slot, delayMs: number): void {
    if (this.#isClosed || slot.channel !== undefined || slot.isOpening) return;
    if (slot.timer !== undefined) return;
    slot.timer = this.#environment.clock.schedule(delayMs, () => {
      slot.timer = undefined;
      this.#openOnce(slot).catch((error: unknown) => this.#failed(slot, error));
    });
  }

  #failed(slot: Slot, error: unknown): void {
    if (!isKvsError(error)) throw error;
    slot.attempts++;
    this.#openSoon(slot, backoffMs(slot.attempts, this.#environment.random));
    if (this.pick() === undefined && !this.#isClosed) this.#handlers.failed(error);
  }

  /** Nothing is sent on the slot's channel any more; another is opened beside it. */
  #drain(slot: Slot): void {
    if (slot.channel !== undefined) this.#draining.add(slot.channel);
    slot.channel = undefined;
    this.#openSoon(slot, backoffMs(1, this.#environment.random));
  }

  #lost(slot: Slot, channel: Channel, cause: KvsError): void {
    this.#draining.delete(channel);
    if (slot.channel === channel) slot.channel = undefined;
    this.#openSoon(slot, backoffMs(1, this.#environment.random));
    this.#handlers.lost(channel, cause);
  }
}
