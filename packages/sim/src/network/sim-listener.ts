import { assert, type Listener, type ListenOptions } from "@kvs/env";
import { type Incarnation } from "../incarnation.ts";
import { Scheduler } from "../scheduler.ts";
import { type SimConnection } from "./sim-connection.ts";

/** Connections one listener holds at once, unless it says otherwise. */
const CONNECTIONS_MAX = 10_000;

const KIND_LISTENER_CLOSED = Scheduler.kind("network.listener-closed");

/** One open port of one process. */
export class SimListener implements Listener {
  readonly port: number;
  readonly options: ListenOptions;
  readonly incarnation: Incarnation;
  readonly #connections = new Set<SimConnection>();
  readonly #release: () => void;
  #isOpen = true;
  #closing: (() => void)[] = [];

  /** @param setup `release` gives the port back; called once. */
  constructor(setup: {
    port: number;
    options: ListenOptions;
    incarnation: Incarnation;
    release: () => void;
  }) {
    this.port = setup.port;
    this.options = setup.options;
    this.incarnation = setup.incarnation;
    this.#release = setup.release;
  }

  get isFull(): boolean {
    return this.#connections.size >= (this.options.connectionsMax ?? CONNECTIONS_MAX);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  add(connection: SimConnection): void {
    assert(this.#isOpen && !this.isFull, "only a listener with room accepts");
    this.#connections.add(connection);
  }

  forget(connection: SimConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#settleClosing();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.incarnation.isAlive) return;
      this.#closing.push(resolve);
      if (this.#isOpen) {
        this.#isOpen = false;
        this.#release();
        for (const connection of this.#connections) connection.close();
      }
      if (this.#connections.size === 0) this.#settleClosing();
    });
  }

  #settleClosing(): void {
    const waiting = this.#closing;
    if (waiting.length === 0) return;
    this.#closing = [];
    this.incarnation.after(1, KIND_LISTENER_CLOSED, () => {
      for (const resolve of waiting) resolve();
    });
  }
}
