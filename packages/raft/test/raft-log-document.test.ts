import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Wal } from "@kvs/wal";
import { expect, test } from "vitest";

import { packPayloads } from "../src/core/entry.ts";
import { decodePayloadsRecord, decodeRecord } from "../src/wal/log-record.ts";
import { environmentOn, newStorage, openStore } from "./wal-fixture.ts";

const DOCUMENT = join(import.meta.dirname, "..", "..", "..", "docs", "formats", "raft-log.md");
const NOTHING = { hardState: undefined, newBase: undefined, cutFrom: 0, entries: [] } as const;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function exampleLines(): Promise<string[]> {
  const document = await readFile(DOCUMENT, "utf8");
  return /^```records\n(.*?)^```$/ms.exec(document)![1]!.trimEnd().split("\n");
}

test("the example of the format's document is what the code writes", async () => {
  const storage = newStorage();
  const store = await openStore(storage);
  const log = await store.group(300, { incoming: [1, 2] });
  log.write({
    ...NOTHING,
    hardState: { term: 2, votedFor: 1, commitIndex: 0 },
    entries: [
      { kind: "empty", term: 2, firstIndex: 1, ...packPayloads([text("")]) },
      { kind: "command", term: 2, firstIndex: 2, ...packPayloads([text("ab"), text("c")]) },
    ],
  });
  log.write({ ...NOTHING, cutFrom: 3 });
  const { configuration } = log.image().base;
  const newBase = { keepsSuffix: true, point: { index: 1, term: 2, configuration } };
  log.write({ ...NOTHING, newBase });
  await log.sync();
  await store.close();

  const wal = await Wal.open(environmentOn(storage), { path: "raft" });
  const lines: string[] = [];
  for await (const batch of wal.scan()) {
    for (const { kind, payload } of batch) {
      const bytes = Array.from(payload, (byte) => byte.toString(16).padStart(2, "0"));
      lines.push(`${kind}  ${bytes.join(" ")}`);
    }
  }
  expect(lines).toEqual(await exampleLines());
});

test("the example of the format's document reads as it says", async () => {
  const lines = await exampleLines();
  const records = lines.map((line) => {
    const [kind, hex] = line.split("  ");
    const bytes = Uint8Array.from(hex!.split(" "), (each) => Number.parseInt(each, 16));
    return { kind: Number(kind), bytes };
  });
  const decoded = records.map(({ kind, bytes }) => decodeRecord(kind, bytes));

  expect(decoded[2]).toEqual({
    type: "hard-state",
    group: 300,
    hardState: { term: 2, votedFor: 1, commitIndex: 0 },
  });
  expect(decoded[4]).toMatchObject({
    kind: "command",
    term: 2,
    firstIndex: 2,
    count: 2,
    payloadsBytes: 10,
  });
  expect(decodePayloadsRecord(records[5]!.bytes).offsets).toEqual(Uint32Array.of(0, 2, 3));
  expect(decoded[6]).toEqual({ type: "cut", group: 300, from: 3 });
});
