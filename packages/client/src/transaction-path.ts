import { isKvsError } from "@kvs/env";
import { type FrameWriter, RequestCode, type RequestKind, requestKind } from "@kvs/protocol";
import { type Channel } from "./channel.ts";
import { transactionEnded } from "./client-error.ts";
import { type Dispatcher } from "./dispatcher.ts";
import { type AnswerReader } from "./pending-request.ts";
import { type RequestPath } from "./request.ts";

const WITHIN = requestKind(RequestCode.WITHIN)!;
const ROLLBACK = requestKind(RequestCode.ROLLBACK)!;

/** After these nobody can tell what the transaction has written. */
const LEAVES_DOUBT: ReadonlySet<string> = new Set([
  "CONNECTION_LOST",
  "DEADLINE_EXCEEDED",
  "PROTOCOL_MALFORMED",
]);

/**
 * The way of requests into one transaction, over the connection where it lives, in the order of the
 * calls. One that is not answered ends the transaction: it must not be committed without it.
 */
export class TransactionPath implements RequestPath {
  readonly id: string;
  readonly #number: number;
  readonly #channel: Channel;
  readonly #dispatcher: Dispatcher;
  /** Why nothing more is asked for. */
  #ended: string | undefined;

  constructor(
    dispatcher: Dispatcher,
    begun: { readonly number: number; readonly id: string; readonly channel: Channel },
  ) {
    this.id = begun.id;
    this.#number = begun.number;
    this.#channel = begun.channel;
    this.#dispatcher = dispatcher;
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** Takes no request any more. @param how Ends the sentence "transaction t-1 …". */
  end(how: string): void {
    this.#ended = how;
  }

  begin(kind: RequestKind, fields: number): FrameWriter {
    return this.#begin(WITHIN, fields + 1, kind.code);
  }

  abort(): void {
    this.#dispatcher.abortOn(this.#channel);
  }

  write(kind: RequestKind, fields: number, write: (frame: FrameWriter) => void): void {
    this.#write(() => write(this.begin(kind, fields)));
  }

  submit<T>(_kind: RequestKind, read: AnswerReader<T>): Promise<T> {
    return this.#submit(WITHIN, read);
  }

  requestOn<T>(
    channel: Channel,
    kind: RequestKind,
    write: (frame: FrameWriter) => void,
    read: AnswerReader<T>,
  ): Promise<T> {
    return this.#dispatcher.requestOn(channel, kind, write, read);
  }

  /**
   * Sends a request of a kind that is only for transactions.
   *
   * @param fields How many `write` writes.
   */
  request<T>(
    kind: RequestKind,
    fields: number,
    read: AnswerReader<T>,
    write: (frame: FrameWriter) => void,
  ): Promise<T> {
    try {
      this.#write(() => write(this.#begin(kind, fields)));
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#submit(kind, read);
  }

  #begin(kind: RequestKind, fields: number, code?: number): FrameWriter {
    if (this.#ended !== undefined) throw transactionEnded(this.id, this.#ended);
    const frame = this.#dispatcher.beginOn(this.#channel, kind, fields + 1);
    frame.uint(this.#number);
    if (code !== undefined) frame.uint(code);
    return frame;
  }

  /** At the begin of a new frame if it does not fit this one. */
  #write(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.abort();
      const isFull = isKvsError(error, "CODEC_TOO_LARGE") && this.#dispatcher.cutOn(this.#channel);
      if (!isFull) throw error;
      this.#write(write);
    }
  }

  #submit<T>(kind: RequestKind, read: AnswerReader<T>): Promise<T> {
    const answer = this.#dispatcher.submitOn(this.#channel, kind, read, this.id);
    answer.catch((error: unknown) => this.#failed(kind, error));
    return answer;
  }

  #failed(kind: RequestKind, error: unknown): void {
    if (!isKvsError(error) || !LEAVES_DOUBT.has(error.code) || !this.isOpen) return;
    this.end(`was given up, since the request "${kind.name}" was not answered`);
    if (!this.#channel.isAlive) return;
    try {
      this.#dispatcher.beginOn(this.#channel, ROLLBACK, 1).uint(this.#number);
    } catch {
      return; // the client is being closed: its connections go, and with them the transaction
    }
    const rolledBack = this.#dispatcher.submitOn(this.#channel, ROLLBACK, () => undefined, this.id);
    rolledBack.catch(() => undefined);
  }
}
