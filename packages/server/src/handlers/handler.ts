import { type TurnBudget } from "@kvs/env";
import {
  type FrameReader,
  type FrameWriter,
  type HostedDatabase,
  type RawAccess,
} from "@kvs/protocol";
import { type CursorTable } from "../session/cursor-table.ts";
import { type SessionTransaction } from "../session/session-transaction.ts";
import { type TransactionTable } from "../session/transaction-table.ts";

/** Writes the response to a request, from its begin to its end. */
export type AnswerWriter<T> = (frame: FrameWriter, id: number, value: T) => void;

/** What a handler works with: one request of an open session. */
export interface RequestContext {
  readonly database: HostedDatabase;
  /** What the request reads and writes: the database, or the transaction that it entered. */
  readonly target: RawAccess;
  readonly cursors: CursorTable;
  readonly transactions: TransactionTable;
  /** When the request is handled. */
  readonly nowMs: number;
  /** What all requests of the server together may take of one turn. */
  readonly budget: TurnBudget;
  /** Items of a cursor's step at most. */
  readonly itemsMax: number;
  /** Sabotage: a write is answered before it is durable. */
  readonly acksEarly: boolean;
  /**
   * Makes a transaction the target of this request. If it is not answered in time, the transaction is
   * rolled back.
   *
   * @throws {KvsError} `TXN_ENDED` if there is none with this number.
   */
  enter(transaction: number): SessionTransaction;
  /** Answers now. */
  answer<T>(value: T, write: AnswerWriter<T>): void;
  /** Answers when the promise settles; nothing of the reader is used after that. */
  later<T>(promise: Promise<T>, write: AnswerWriter<T>): void;
  /**
   * Lets nothing else of this connection begin until the function returned is called, or the
   * connection is over. For what takes several turns to begin.
   */
  hold(): () => void;
}

/**
 * Handles one kind of request: reads all of its fields, then answers, now or later. What it throws
 * becomes the answer; nothing has happened then.
 */
export type Handler = (context: RequestContext, reader: FrameReader) => void;

/** The answer without fields. */
export const writeDone: AnswerWriter<unknown> = (frame, id) => {
  frame.beginResponse(0, id);
  frame.end();
};

export const writeBoolean: AnswerWriter<boolean> = (frame, id, value) => {
  frame.beginResponse(1, id);
  frame.bool(value);
  frame.end();
};

/** A version or a count. */
export const writeNumber: AnswerWriter<number> = (frame, id, value) => {
  frame.beginResponse(1, id);
  frame.uint(value);
  frame.end();
};
