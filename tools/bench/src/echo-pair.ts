import { type Connection, type Environment, type Listener, assert } from "@kvs/env";

/** The slot of a call is the first four bytes of its frame. */
const SLOT_BYTES = 4;

/** A server that sends back what it gets, and a client with one connection to it. */
export class EchoPair {
  readonly #listener: Listener;
  readonly #connection: Connection;
  readonly #frameBytes: number;
  readonly #answered: ((() => void) | undefined)[] = [];
  readonly #freeSlots: number[] = [];

  private constructor(listener: Listener, connection: Connection, frameBytes: number) {
    this.#listener = listener;
    this.#connection = connection;
    this.#frameBytes = frameBytes;
    connection.start({
      frame: (bytes) => this.#receive(bytes),
      closed: () => undefined,
    });
  }

  static async open({ network }: Environment, frameBytes: number): Promise<EchoPair> {
    assert(frameBytes >= SLOT_BYTES, "a frame has room for its slot");
    const listener = await network.listen({
      host: "127.0.0.1",
      port: 0,
      connection: (served) => {
        served.start({ frame: (bytes) => void served.send(bytes), closed: () => undefined });
      },
    });
    const connection = await network.connect(`ws://127.0.0.1:${listener.port}/echo`);
    return new EchoPair(listener, connection, frameBytes);
  }

  /** Sends a frame and waits until it is back. */
  echo(): Promise<void> {
    const slot = this.#freeSlots.pop() ?? this.#answered.length;
    const frame = new Uint8Array(this.#frameBytes);
    frame[0] = slot;
    frame[1] = slot >>> 8;
    frame[2] = slot >>> 16;
    frame[3] = slot >>> 24;
    return new Promise((resolve) => {
      this.#answered[slot] = resolve;
      this.#connection.send(frame);
    });
  }

  async close(): Promise<void> {
    this.#connection.close();
    await this.#listener.close();
  }

  #receive(bytes: Uint8Array): void {
    const slot = (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0;
    const answered = this.#answered[slot];
    assert(answered !== undefined, "only what was sent comes back, once");
    this.#answered[slot] = undefined;
    this.#freeSlots.push(slot);
    answered();
  }
}
