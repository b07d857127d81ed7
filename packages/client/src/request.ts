import { type FrameWriter, type RequestKind } from "@kvs/protocol";
import { type Dispatcher } from "./dispatcher.ts";
import { type AnswerReader } from "./pending-request.ts";

/**
 * Sends one request.
 *
 * @param write Writes the fields. What it throws is what the promise rejects with; nothing is sent.
 */
// oxlint-disable-next-line eslint/max-params -- one call for each kind of request, side by side
export function request<T>(
  dispatcher: Dispatcher,
  kind: RequestKind,
  fields: number,
  read: AnswerReader<T>,
  write: (frame: FrameWriter) => void,
): Promise<T> {
  try {
    dispatcher.write(kind, fields, write);
  } catch (error) {
    return Promise.reject(error);
  }
  return dispatcher.submit(kind, read);
}
