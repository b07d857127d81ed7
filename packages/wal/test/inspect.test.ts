import { expect, test } from "vitest";

import { type DumpOptions, dumpWal } from "../src/index.ts";
import { TestKeys } from "./test-keys.ts";
import { PATH, environmentOn, newStorage, openWal, payloadOf } from "./fixture.ts";
import { type SimStorage } from "@kvs/sim";

async function dump(storage: SimStorage, options?: DumpOptions): Promise<string> {
  const lines: string[] = [];
  for await (const line of dumpWal(environmentOn(storage), PATH, options)) lines.push(line);
  return lines.join("\n");
}

async function sample(): Promise<SimStorage> {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 512 });
  wal.append(1, new TextEncoder().encode("hello"));
  await wal.sync();
  wal.append(2, payloadOf(1, 1000));
  wal.append(3, new Uint8Array(0));
  await wal.close();
  return storage;
}

test("a log prints record by record", async () => {
  expect(await dump(await sample(), { payloadBytes: 16 })).toMatchInlineSnapshot(`
    "log/00000000000000000000.wal  base 0  512 bytes
    64  kind 1  whole  epoch 2  5 bytes  → 101  durable before: 64
      00000000  68 65 6c 6c 6f                                   |hello|
    101  kind 2  first  epoch 2  379 bytes  → 512  durable before: 101
      00000000  01 00 00 00 3b 42 49 50 57 5e 65 6c 73 7a 81 88  |....;BIPW^elsz..|
      … 363 more bytes
    log/00000000000000000512.wal  base 512  512 bytes
    576  kind 2  middle  epoch 2  416 bytes  → 1024  durable before: 101
      00000000  7d 84 8b 92 99 a0 a7 ae b5 bc c3 ca d1 d8 df e6  |}...............|
      … 400 more bytes
    log/00000000000000001024.wal  base 1024  512 bytes
    1088  kind 2  last  epoch 2  205 bytes  → 1325  durable before: 101
      00000000  df e6 ed f4 fb 02 09 10 17 1e 25 2c 33 3a 41 48  |..........%,3:AH|
      … 189 more bytes
    1325  kind 3  whole  epoch 2  0 bytes  → 1357  durable before: 101
    1357  end of the log (zeros)"
  `);
});

test("a part of a log prints, with the caller's words", async () => {
  const storage = await sample();
  const options: DumpOptions = {
    from: 64,
    to: 200,
    kindName: (kind) => `<${kind}>`,
    describe: (_kind, payload) => new TextDecoder().decode(payload),
  };
  const text = await dump(storage, options);
  expect(text).toContain("64  <1>  whole  epoch 2  5 bytes  → 101  durable before: 64\n  hello");
  expect(text).toContain("101  <2>  first");
  expect(text).not.toContain("<3>");
});

test("damage and absence are printed too", async () => {
  const storage = await sample();
  storage.flipBit("log/00000000000000000512.wal", 8 * 200);
  expect(await dump(storage)).toMatch(
    /576 {2}end of the log \(checksum: expected \d+, found \d+\)$/,
  );
  expect(await dump(newStorage())).toBe("log holds no log");
});

test("sealed and compressed records are shown as such, and what is in them with keys only", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const compression = { compressor: "fast", fromBytes: 64 } as const;
  const wal = await openWal(storage, { segmentBytes: 512, keys, compression });
  wal.append(1, new TextEncoder().encode("hello"));
  keys.currentId = 2;
  wal.append(2, new Uint8Array(300).fill(7));
  await wal.close();
  const blind = await dump(storage);
  expect(blind).toMatch(/^64 {2}kind 1 {2}whole {2}epoch 2 {2}sealed with key 1 {2}5 bytes/m);
  expect(blind).toMatch(/^133 {2}kind 2 {2}whole {2}epoch 2 {2}sealed with key 2 {2}compressed/m);
  expect(blind).not.toContain("hello");
  keys.destroyed.add(2);
  const half = await dump(storage, { keys });
  expect(half).toContain("|hello|");
  expect(half).toContain("  WAL_KEY_UNKNOWN");
  keys.destroyed.clear();
  const describe = (kind: number, payload: Uint8Array): string => `${kind}: ${payload.length}`;
  expect(await dump(storage, { keys, describe })).toContain("\n  2: 300\n");
});
