import { type FrameWriter, type RequestKind } from "@kvs/protocol";
import { type Channel } from "./channel.ts";
import { type AnswerReader } from "./pending-request.ts";

/** Where requests go: to a database, or within a transaction. */
export interface RequestPath {
  /**
   * Begins a request: the caller writes its fields into what this returns, and then calls `submit`,
   * or `abort` if one cannot be written.
   *
   * @throws {KvsError} `CLIENT_CLOSED`, `OVERLOADED`, `TXN_ENDED`.
   */
  begin(kind: RequestKind, fields: number): FrameWriter;
  abort(): void;
  /** `begin` and the fields, which `write` writes. If that throws, nothing was begun. */
  write(kind: RequestKind, fields: number, write: (frame: FrameWriter) => void): void;
  /** Ends the request that was begun, and promises what `read` makes of its answer. */
  submit<T>(kind: RequestKind, read: AnswerReader<T>): Promise<T>;
  /** A request with two fields about what lives on a channel: a cursor. */
  requestOn<T>(
    channel: Channel,
    kind: RequestKind,
    write: (frame: FrameWriter) => void,
    read: AnswerReader<T>,
  ): Promise<T>;
}

/**
 * Sends one request.
 *
 * @param write Writes the fields. What it throws is what the promise rejects with; nothing is sent.
 */
// oxlint-disable-next-line eslint/max-params -- one call for each kind of request, side by side
export function request<T>(
  path: RequestPath,
  kind: RequestKind,
  fields: number,
  read: AnswerReader<T>,
  write: (frame: FrameWriter) => void,
): Promise<T> {
  try {
    path.write(kind, fields, write);
  } catch (error) {
    return Promise.reject(error);
  }
  return path.submit(kind, read);
}
