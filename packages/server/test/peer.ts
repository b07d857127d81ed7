import { type DocumentValue, decodeDocument, encodeDocument } from "@kvs/codec";
import { type CloseReason, type Connection, type Environment, sleep } from "@kvs/env";
import { DEFAULT_PORT, RequestCode } from "@kvs/protocol";

export interface PeerOptions {
  /** Whether to say hello at once. Default: true. */
  readonly hello?: boolean;
  readonly database?: string;
}

/** A message as plain values. */
export type Message = readonly DocumentValue[];

/**
 * A client of its own making: frames are plain msgpack arrays, so that tests can send what no
 * proper client would.
 */
export class Peer {
  readonly connection: Connection;
  readonly #environment: Environment;
  /** Messages received, oldest first. */
  readonly answers: Message[] = [];
  /** Frames received. */
  frameCount = 0;
  closed: CloseReason | undefined = undefined;
  #lastId = 100;

  constructor(environment: Environment, connection: Connection) {
    this.#environment = environment;
    this.connection = connection;
    connection.start({
      frame: (bytes) => {
        this.frameCount++;
        this.answers.push(...(decodeDocument(bytes, { maxBytes: 2 ** 27 }) as Message[]));
      },
      closed: (reason) => {
        this.closed = reason;
      },
    });
  }

  static open(environment: Environment, options: PeerOptions = {}): Promise<Peer> {
    return Peer.at(environment, `ws://server:${DEFAULT_PORT}/v1`, options);
  }

  static async at(environment: Environment, url: string, options: PeerOptions = {}): Promise<Peer> {
    const peer = new Peer(environment, await environment.network.connect(url));
    if (options.hello !== false) await peer.hello(options.database);
    return peer;
  }

  hello(database = "app"): Promise<Message> {
    const hello = { versions: [1], database, client: "peer", credentials: null };
    return this.ask(RequestCode.HELLO, encodeDocument(hello));
  }

  /** Sends messages as one frame. */
  send(...messages: readonly Message[]): void {
    this.connection.send(encodeDocument(messages, { maxBytes: 2 ** 27 }));
  }

  /** Sends a request with a deadline of a minute, and waits for its answer. */
  async ask(code: number, ...fields: readonly DocumentValue[]): Promise<Message> {
    const id = ++this.#lastId;
    this.send([id, code, 60_000, ...fields]);
    return this.answerTo(id);
  }

  /** The fields after id and status, for answers that are no errors. */
  async fields(code: number, ...fields: readonly DocumentValue[]): Promise<Message> {
    const [, status, ...rest] = await this.ask(code, ...fields);
    if (status !== 0) throw new Error(`refused: ${JSON.stringify(rest)}`);
    return rest;
  }

  /** Waits for the answer with this id. */
  async answerTo(id: number): Promise<Message> {
    for (;;) {
      const found = this.answers.find(([each]) => each === id);
      if (found !== undefined) return found;
      if (this.closed !== undefined) throw new Error(`closed (${this.closed}), no answer to ${id}`);
      await sleep(this.#environment.clock, 1);
    }
  }

  /** Waits until the connection is closed; returns the code of the goodbye, if there was one. */
  async ending(): Promise<DocumentValue | undefined> {
    while (this.closed === undefined) await sleep(this.#environment.clock, 1);
    return this.answers.find(([id]) => id === 0)?.[2];
  }
}
