import { expect, test } from "vitest";
import * as api from "../src/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "ByteReader",
      "ByteWriter",
      "DOCUMENT_DEPTH_MAX",
      "DOCUMENT_MAX_BYTES",
      "KEY_MAX_BYTES",
      "VARINT_MAX_BYTES",
      "WRITER_MAX_BYTES",
      "checkDocument",
      "compareBytes",
      "compareKeys",
      "compareStrings",
      "compareValues",
      "concatBytes",
      "crc32",
      "crc32Range",
      "decodeDocument",
      "decodeKey",
      "decodeUtf8",
      "encodeDocument",
      "encodeDocumentInto",
      "encodeKey",
      "encodeKeyInto",
      "encodeUtf8",
      "encodeUtf8Into",
      "hexdump",
      "isUtf8",
      "keyPrefixRange",
      "readVarint",
      "utf8Length",
      "varintLength",
      "writeVarint",
    ]
  `);
});
