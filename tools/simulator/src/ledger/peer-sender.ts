import { type Connection, type Environment, isKvsError, sleep } from "@kvs/env";
import { type Journal } from "./journal.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { type RecordPlace, comparePlaces, encodeRecord } from "./record.ts";
import { nodeUrl } from "./witness.ts";

/** Records on their way to a peer at once. */
const WINDOW_RECORDS = 8;
/** Without progress for so long, everything from the last confirmed record on is sent again. */
const RESEND_MS = 400;
/** Wait between attempts to connect. */
const RECONNECT_MS = 100;
/** Rounds without a word from the peer until the connection is taken for dead. */
const SILENT_ROUNDS_MAX = 5;

/** Brings a node's own ledger to one peer: at least once, in order, for as long as it takes. */
export class PeerSender {
  readonly #environment: Environment;
  readonly #node: string;
  readonly #peer: string;
  readonly #journal: Journal;
  #connection: Connection | undefined;
  #confirmed: RecordPlace | undefined;
  #isHeard = false;
  #isStopped = false;
  #wake: () => void = () => undefined;

  constructor(
    environment: Environment,
    options: { readonly node: string; readonly peer: string; readonly journal: Journal },
  ) {
    this.#environment = environment;
    this.#node = options.node;
    this.#peer = options.peer;
    this.#journal = options.journal;
  }

  /** Tells that there is something new to send. */
  wake(): void {
    this.#wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#connection?.close("discard");
    this.#wake();
  }

  /** Connects and sends until stopped. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#connect();
        await this.#send();
      } catch (error) {
        if (!isKvsError(error)) throw error;
      }
      const { clock, random } = this.#environment;
      await sleep(clock, RECONNECT_MS * (1 + random.nextFloat()));
    }
  }

  async #connect(): Promise<void> {
    const { network } = this.#environment;
    const connection = await network.connect(nodeUrl(this.#peer, "peer"), { timeoutMs: 1000 });
    this.#confirmed = undefined;
    this.#connection = connection;
    connection.start({
      frame: (bytes) => {
        const message = decodeMessage(bytes);
        if (message === undefined) connection.close("discard");
        else if (message.type === "have") this.#confirm(message.place);
      },
      closed: () => {
        if (this.#connection === connection) this.#connection = undefined;
        this.#wake();
      },
    });
    connection.send(encodeMessage({ type: "hello", origin: this.#node }));
  }

  /** Sends windows of records until the connection closes or the peer falls silent. */
  async #send(): Promise<void> {
    let silentRounds = 0;
    while (this.#connection !== undefined && !this.#isStopped) {
      this.#isHeard = false;
      const isWaiting = this.#sendWindow(this.#connection);
      await this.#sleepOrWake(RESEND_MS);
      silentRounds = this.#isHeard || !isWaiting ? 0 : silentRounds + 1;
      if (silentRounds > SILENT_ROUNDS_MAX) this.#connection?.close("discard");
    }
  }

  /** Returns whether the peer owes an answer. */
  #sendWindow(connection: Connection): boolean {
    if (this.#confirmed === undefined) {
      connection.send(encodeMessage({ type: "hello", origin: this.#node }));
      return true;
    }
    const { previous, records } = this.#journal.ownAfter(this.#confirmed, WINDOW_RECORDS);
    let before = previous;
    for (const record of records) {
      const text = encodeRecord(record);
      connection.send(encodeMessage({ type: "record", previous: before, text }));
      before = { epoch: record.epoch, sequence: record.sequence };
    }
    return records.length > 0;
  }

  #confirm(place: RecordPlace): void {
    this.#isHeard = true;
    const isFirst = this.#confirmed === undefined;
    const isFurther = isFirst || comparePlaces(place, this.#confirmed!) > 0;
    if (!isFurther) return;
    this.#confirmed = place;
    const isWindowDone = this.#journal.ownAfter(place, 1).records.length === 0;
    if (isFirst || isWindowDone) this.#wake();
  }

  /** Ends at the wake-up, or after `delayMs`. */
  async #sleepOrWake(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#environment.clock.schedule(delayMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}
