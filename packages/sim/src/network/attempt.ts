import { type KvsError } from "@kvs/env";
import { EVENT_INTERNAL, type SimEvent } from "../event-queue.ts";
import { type Incarnation } from "../incarnation.ts";
import { Scheduler } from "../scheduler.ts";
import { type Fabric } from "./fabric.ts";
import { type NetworkUrl } from "./network-url.ts";
import { networkError } from "./network-error.ts";
import { type SimListener } from "./sim-listener.ts";

const KIND_REACH = Scheduler.kind("network.reach");
const KIND_ANSWER = Scheduler.kind("network.answer");
const KIND_TIMEOUT = Scheduler.kind("network.timeout");
const KIND_SETTLE = Scheduler.kind("network.settle");
const KIND_ACCEPT = Scheduler.kind("network.accept");

/** A lost first packet is sent again after this long, then twice that, and so on. */
const RETRY_MICROS = 1_000_000;
/** Retries double no further than this. */
const RETRY_DOUBLINGS_MAX = 5;
/** A connect or a request waits this long unless told otherwise. */
export const TIMEOUT_MS = 5000;
/** Bytes of the packets that only open or refuse. */
const SMALL_PACKET_BYTES = 200;

/** What an attempt needs to know of the network. */
export interface AttemptNetwork {
  readonly fabric: Fabric;
  /** The process that listens at a port, or `undefined`: it refuses. */
  findListener(host: string, port: number): SimListener | undefined;
}

/**
 * One try to reach a listener: of a connection to be, or of an HTTP request. It ends once: with an
 * answer, an error, or when its time is over.
 */
export class Attempt<T> {
  readonly incarnation: Incarnation;
  readonly url: NetworkUrl;
  /** The host that `url` names. */
  readonly host: string;
  readonly promise: Promise<T>;
  readonly #network: AttemptNetwork;
  #resolve!: (value: T) => void;
  #reject!: (error: KvsError) => void;
  #isOver = false;
  #timeout: SimEvent | undefined;

  constructor(options: {
    network: AttemptNetwork;
    incarnation: Incarnation;
    url: NetworkUrl;
    host: string;
    timeoutMs: number;
    /** The error of an attempt that took too long. */
    timedOut: () => KvsError;
  }) {
    this.#network = options.network;
    this.incarnation = options.incarnation;
    this.url = options.url;
    this.host = options.host;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timeout = this.incarnation.after(options.timeoutMs * 1000, KIND_TIMEOUT, () => {
      this.#timeout = undefined;
      if (this.#end()) this.#reject(options.timedOut());
    });
  }

  /** Whether it ended, or nobody is left to take the answer. */
  get isOver(): boolean {
    return this.#isOver || !this.incarnation.isAlive;
  }

  /**
   * Carries `bytes` to the listener, again and again while the link is blocked, and calls `reached`
   * in the listener's process. Without a listener the attempt is refused.
   */
  reach(bytes: number, reached: (listener: SimListener) => void): void {
    const { from, to } = this.#ends();
    this.#carry(from, to, bytes, () => {
      const listener = this.#network.findListener(this.host, this.url.port);
      if (listener === undefined) {
        this.answer(SMALL_PACKET_BYTES, () => this.fail(this.#refused()));
        return;
      }
      listener.incarnation.after(0, KIND_ACCEPT, () => {
        if (listener.isOpen) reached(listener);
        else this.answer(SMALL_PACKET_BYTES, () => this.fail(this.#refused()));
      });
    });
  }

  /** Carries `bytes` back and calls `arrived`, in an internal event, if anybody still waits. */
  answer(bytes: number, arrived: () => void): void {
    const { from, to } = this.#ends();
    this.#carry(to, from, bytes, arrived);
  }

  /** Settles the promise in an event of the process that asked. */
  succeed(value: T): void {
    if (!this.#end()) return;
    this.incarnation.after(0, KIND_SETTLE, () => this.#resolve(value));
  }

  fail(error: KvsError): void {
    if (!this.#end()) return;
    this.incarnation.after(0, KIND_SETTLE, () => this.#reject(error));
  }

  #ends(): { readonly from: string; readonly to: string } {
    return { from: this.incarnation.host.name, to: this.host };
  }

  #carry(from: string, to: string, bytes: number, arrived: () => void): void {
    const { fabric } = this.#network;
    const { scheduler } = fabric;
    const link = fabric.link(from, to);
    const kind = from === this.incarnation.host.name ? KIND_REACH : KIND_ANSWER;
    let tries = 0;
    const send = (waitMicros: number): void => {
      const transfer = link.drawTransferMicros(bytes, scheduler.nowMicros, (name) => {
        fabric.countFault(name);
      });
      scheduler.schedule(waitMicros + transfer, { kind, flags: EVENT_INTERNAL }, () => {
        if (this.isOver) return;
        if (!link.isBlocked) arrived();
        else send(RETRY_MICROS << Math.min(tries++, RETRY_DOUBLINGS_MAX));
      });
    };
    send(0);
  }

  #refused(): KvsError {
    const { port } = this.url;
    const details = { host: this.host, port };
    return networkError("NET_REFUSED", "nobody listens at this address: try again", details);
  }

  /** @returns false if it had ended already. */
  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    if (this.#timeout !== undefined) this.#network.fabric.scheduler.cancel(this.#timeout);
    return true;
  }
}
