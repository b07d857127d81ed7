import { crc32 } from "node:zlib";
import { type RecordPlace } from "./record.ts";

/** What travels between clients and nodes, and between nodes. */
export type Message =
  | ({ readonly type: "request"; readonly client: string; readonly request: number } & Request)
  | { readonly type: "answer"; readonly request: number; readonly answer: Answer }
  /** From an origin to a peer: how far are you with my ledger? */
  | { readonly type: "hello"; readonly origin: string }
  /** Back: this far, durably. */
  | { readonly type: "have"; readonly place: RecordPlace }
  /** One record of the sender's own ledger, and what stands before it there. */
  | { readonly type: "record"; readonly previous: RecordPlace; readonly text: string };

/** What a client asks. */
export type Request =
  | { readonly kind: "append"; readonly value: string }
  | { readonly kind: "write"; readonly value: string }
  | { readonly kind: "cas"; readonly expected: string | null; readonly value: string }
  | { readonly kind: "read" };

/** `refused`: it did not happen. An answer that never comes may mean anything. */
export type Answer =
  | { readonly type: "done"; readonly value: string | null }
  | { readonly type: "refused"; readonly reason: string };

const CHECKSUM_BYTES = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A frame: CRC-32 of the text, little-endian; then the text, JSON in UTF-8. */
export function encodeMessage(message: Message): Uint8Array {
  const text = encoder.encode(JSON.stringify(message));
  const frame = new Uint8Array(CHECKSUM_BYTES + text.length);
  new DataView(frame.buffer).setUint32(0, crc32(text), true);
  frame.set(text, CHECKSUM_BYTES);
  return frame;
}

/** Reads a frame, or returns `undefined` if it is not as it was sent. */
export function decodeMessage(frame: Uint8Array, isTrusting = false): Message | undefined {
  if (frame.length < CHECKSUM_BYTES) return undefined;
  const text = frame.subarray(CHECKSUM_BYTES);
  const checksum = new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
  if (checksum !== crc32(text) && !isTrusting) return undefined;
  try {
    return JSON.parse(decoder.decode(text)) as Message;
  } catch {
    return undefined;
  }
}
