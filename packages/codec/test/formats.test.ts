import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeDocument } from "../src/document-decode.ts";
import { encodeDocument } from "../src/document-encode.ts";
import { type DocumentValue } from "../src/document-value.ts";
import { type Key } from "../src/key.ts";
import { keyPrefixRange } from "../src/key-prefix.ts";
import { encodeKey } from "../src/ordered-key.ts";
import { decodeKey } from "../src/ordered-key-decode.ts";
import { fromHex, toHex } from "./hostile.ts";

type Example = ReadonlyMap<string, string>;

/** The fenced blocks marked `example`: lines of a name, a colon, and text. */
async function examplesOf(format: string): Promise<Example[]> {
  const path = join(import.meta.dirname, "../../../docs/formats", `${format}.md`);
  const markdown = await readFile(path, "utf8");
  return Array.from(markdown.matchAll(/^```example\n(.*?)^```$/gms), (block) => {
    const lines = block[1]!.trim().split("\n");
    return new Map(lines.map((line) => [line.split(":")[0]!, line.replace(/^.*?: /, "")]));
  });
}

/** JSON, in which `{"bytes":"00ff"}` stands for bytes. */
function parseKey(json: string): Key {
  return JSON.parse(json, (_name, value: unknown) => {
    const hex = typeof value === "object" && value !== null && "bytes" in value && value.bytes;
    return typeof hex === "string" ? fromHex(hex) : value;
  }) as Key;
}

test("the examples of ordered-key.md are what the code writes and reads", async () => {
  const examples = await examplesOf("ordered-key");
  expect(examples).toHaveLength(8);

  for (const example of examples) {
    if (example.has("key")) {
      const key = parseKey(example.get("key")!);
      expect(toHex(encodeKey(key))).toBe(example.get("bytes"));
      expect(decodeKey(fromHex(example.get("bytes")!))).toEqual(key);
    } else {
      const range = keyPrefixRange(parseKey(example.get("prefix")!));
      expect(toHex(range.from)).toBe(example.get("from"));
      expect(toHex(range.to)).toBe(example.get("to"));
    }
  }
});

test("the examples of document.md are what the code writes and reads", async () => {
  const examples = await examplesOf("document");
  expect(examples).toHaveLength(3);

  for (const example of examples) {
    const document = JSON.parse(example.get("document")!) as DocumentValue;
    expect(toHex(encodeDocument(document))).toBe(example.get("bytes"));
    expect(decodeDocument(fromHex(example.get("bytes")!))).toEqual(document);
  }
});
