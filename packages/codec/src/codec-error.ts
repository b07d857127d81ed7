import { type ErrorDetails, KvsError } from "@kvs/env";

/**
 * What can be wrong with bytes to decode or a value to encode. Nothing has an effect outside the
 * call, so the outcome is always `none`, and a repetition fails the same way.
 *
 * - `CODEC_TRUNCATED`: the input ends before the value does, or a length points past its end.
 * - `CODEC_MALFORMED`: the bytes break the format: an unknown tag, an overlong number, bytes left
 *   over after the value.
 * - `CODEC_INVALID_UTF8`: a text is not well-formed UTF-8.
 * - `CODEC_DUPLICATE_NAME`: an object holds one name twice.
 * - `CODEC_OUT_OF_RANGE`: a number is well-formed, but larger than its type can hold here.
 * - `CODEC_UNSUPPORTED`: a value to encode has no place in the format: a function, a symbol, an
 *   instance of a class, a lone surrogate, NaN in a key.
 * - `CODEC_TOO_DEEP`: arrays and objects are nested deeper than the limit, perhaps in a cycle.
 * - `CODEC_TOO_LARGE`: the bytes are, or would be, longer than the limit.
 * - `CODEC_KEY_TOO_LARGE`: an encoded key would be longer than the limit.
 */
export type CodecErrorCode =
  | "CODEC_TRUNCATED"
  | "CODEC_MALFORMED"
  | "CODEC_INVALID_UTF8"
  | "CODEC_DUPLICATE_NAME"
  | "CODEC_OUT_OF_RANGE"
  | "CODEC_UNSUPPORTED"
  | "CODEC_TOO_DEEP"
  | "CODEC_TOO_LARGE"
  | "CODEC_KEY_TOO_LARGE";

/** Makes the error; the caller throws it, so that the compiler sees where control ends. */
export function codecError(
  code: CodecErrorCode,
  message: string,
  details: ErrorDetails = {},
): KvsError<CodecErrorCode> {
  return new KvsError(code, message, { outcome: "none", details });
}

/** `CODEC_TRUNCATED` for `neededBytes` at `offset` of an input that ends at `end`. */
export function truncated(
  offset: number,
  neededBytes: number,
  end: number,
): KvsError<CodecErrorCode> {
  return codecError(
    "CODEC_TRUNCATED",
    `${neededBytes} bytes are needed at offset ${offset}, but the input ends at ${end}; ` +
      "read the whole input, or treat it as damaged",
    { offset, neededBytes, end },
  );
}
