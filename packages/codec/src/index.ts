export { ByteReader } from "./byte-reader.ts";
export { ByteWriter, type ByteWriterOptions, WRITER_MAX_BYTES } from "./byte-writer.ts";
export { type CodecErrorCode } from "./codec-error.ts";
export { compareBytes } from "./compare-bytes.ts";
export { compareStrings } from "./compare-strings.ts";
export { concatBytes } from "./concat-bytes.ts";
export { crc32, crc32Range } from "./crc32.ts";
export { decodeDocument } from "./document-decode.ts";
export { encodeDocument, encodeDocumentInto } from "./document-encode.ts";
export { checkDocument } from "./document-scan.ts";
export {
  DOCUMENT_DEPTH_MAX,
  DOCUMENT_MAX_BYTES,
  type DocumentLimits,
  type DocumentObject,
  type DocumentValue,
} from "./document-value.ts";
export { type HexdumpNote, type HexdumpOptions, hexdump } from "./hexdump.ts";
export { type Key, type KeyPart, compareKeys } from "./key.ts";
export { type KeyRange, keyPrefixRange } from "./key-prefix.ts";
export { KEY_MAX_BYTES, encodeKey, encodeKeyInto } from "./ordered-key.ts";
export { decodeKey } from "./ordered-key-decode.ts";
export { decodeUtf8, encodeUtf8, encodeUtf8Into, isUtf8, utf8Length } from "./utf8.ts";
export { compareValues } from "./value-order.ts";
export { VARINT_MAX_BYTES, readVarint, varintLength, writeVarint } from "./varint.ts";
