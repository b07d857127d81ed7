import { type DocumentObject, type DocumentValue, decodeDocument } from "@kvs/codec";
import { type ErrorDetails, KvsError, type Outcome } from "@kvs/env";
import { type FrameReader } from "./frame-reader.ts";
import { type FrameWriter } from "./frame-writer.ts";
import { ERROR_TEXT_MAX } from "./limits.ts";
import { protocolError } from "./protocol-error.ts";
import { NO_REQUEST, ResponseStatus } from "./wire-code.ts";

const OUTCOMES: readonly Outcome[] = ["none", "applied", "unknown"];
const CODE = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/;
const CODE_LENGTH_MAX = 64;
/** Bytes of encoded details: they are a few ids and numbers. */
const DETAILS_MAX_BYTES: number = 64 << 10;

/**
 * Writes an error as the response to a request:
 * `[id, 1, code, text, retryable, outcome, details]`. The cause stays here: it may name what is none
 * of the client's business.
 *
 * @param id `NO_REQUEST`: why the connection closes.
 */
export function writeError(frame: FrameWriter, id: number, error: KvsError): void {
  const prefix = `${error.code}: `;
  const { message } = error;
  const text = message.startsWith(prefix) ? message.slice(prefix.length) : message;
  frame.beginResponse(5, id, ResponseStatus.ERROR);
  frame.text(error.code);
  frame.text(text.slice(0, ERROR_TEXT_MAX).toWellFormed());
  frame.bool(error.retryable);
  frame.uint(OUTCOMES.indexOf(error.outcome));
  frame.document(plainDetails(error.details));
  frame.end();
}

/** Writes why the server hangs up: an error that answers no request. */
export function writeGoodbye(frame: FrameWriter, error: KvsError): void {
  writeError(frame, NO_REQUEST, error);
}

/**
 * Reads the fields of an error response. The error has the code, flags, details and text of the one
 * that was written.
 *
 * @throws {KvsError} `PROTOCOL_BAD_REQUEST`, `CODEC_…` if the fields are not those of an error.
 */
export function readError(reader: FrameReader): KvsError {
  const code = reader.text();
  if (code.length > CODE_LENGTH_MAX || !CODE.test(code)) {
    throw reader.badField("an error has no proper code");
  }
  const text = reader.text();
  const retryable = reader.bool();
  const outcome = OUTCOMES[reader.uint()];
  if (outcome === undefined) throw reader.badField("an error has no known outcome");
  const details = decodeDocument(reader.bytes(), { depthMax: 1, maxBytes: DETAILS_MAX_BYTES });
  return new KvsError(code, text, { outcome, retryable, details: toDetails(details) });
}

/** The error itself, or `INTERNAL` for what is none: a bug, of which the client learns no more. */
export function toKvsError(error: unknown, outcome: Outcome): KvsError {
  if (error instanceof KvsError) return error;
  const message = "the server failed in an unforeseen way; its log says more";
  return protocolError("INTERNAL", message, { outcome, cause: error });
}

/** Texts are cut, and made well-formed: an error must never fail to be sent. */
function plainDetails(details: ErrorDetails): DocumentObject {
  const plain: [string, DocumentValue][] = [];
  for (const [name, value] of Object.entries(details).slice(0, DETAILS_MAX)) {
    const short = typeof value === "string" ? value.slice(0, DETAIL_MAX).toWellFormed() : value;
    plain.push([name.slice(0, DETAIL_MAX).toWellFormed(), short]);
  }
  return Object.fromEntries(plain);
}

/** Details of one error, and characters of each, that are sent. */
const DETAILS_MAX = 32;
const DETAIL_MAX = 512;

function toDetails(document: DocumentValue): ErrorDetails {
  if (typeof document !== "object" || document === null) return {};
  const details: [string, string | number | boolean][] = [];
  for (const [name, value] of Object.entries(document as DocumentObject)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      details.push([name, value]);
    }
  }
  return Object.fromEntries(details);
}
