import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { hexdump } from "@kvs/codec";
import { expect, test } from "vitest";

import { decodeFrame, encodeFrame } from "../src/codec/frame-codec.ts";
import { packPayloads } from "../src/core/entry.ts";
import { type Message } from "../src/core/message.ts";
import { exampleBytes } from "./document-example.ts";

const DOCUMENT = join(import.meta.dirname, "..", "..", "..", "docs", "formats", "raft-message.md");
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const messages: readonly Message[] = [
  {
    type: "append-request",
    group: 7,
    from: 1,
    to: 2,
    term: 3,
    prevIndex: 299,
    prevTerm: 2,
    commitIndex: 298,
    stableIndex: 0,
    entries: [
      { kind: "command", term: 3, firstIndex: 300, ...packPayloads([text("ab"), text("cd")]) },
      { kind: "command", term: 3, firstIndex: 302, ...packPayloads([text("ef")]) },
    ],
  },
  {
    type: "heartbeat-request",
    group: 8,
    from: 1,
    to: 2,
    term: 5,
    round: 9,
    commitIndex: 40,
    stableIndex: 0,
  },
];

test("the example of the format's document is what the code writes and reads", async () => {
  const example = exampleBytes(await readFile(DOCUMENT, "utf8"), 0);
  expect(hexdump(example)).toBe(hexdump(encodeFrame(1, messages)));

  const [append, heartbeat] = decodeFrame(example, { cluster: 1 }).messages;
  expect(heartbeat).toEqual(messages[1]);
  const joined = packPayloads([text("ab"), text("cd"), text("ef")]);
  expect(append).toEqual({
    ...messages[0],
    entries: [{ kind: "command", term: 3, firstIndex: 300, ...joined }],
  });
});
