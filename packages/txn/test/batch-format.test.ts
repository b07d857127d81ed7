import { ByteWriter, compareBytes } from "@kvs/codec";
import { createRandom, isKvsError } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";

import {
  BatchReader,
  KEY_BYTES_MAX,
  MAIN_TREE,
  MUTATION_DELETE,
  type Mutation,
  VALUE_BYTES_MAX,
  checkBatch,
  encodeBatch,
} from "../src/batch-format.ts";
import { bytes, codeIs, del, put, text } from "./fixture.ts";

const MUTATION_PUT = 1;

function encode(mutations: readonly Mutation[]): Uint8Array {
  const writer = new ByteWriter();
  encodeBatch(writer, mutations);
  return writer.toBytes();
}

function decode(batch: Uint8Array): Mutation[] {
  const reader = new BatchReader().reset(batch);
  const mutations: Mutation[] = [];
  while (reader.next()) {
    const key = batch.slice(reader.keyFrom, reader.keyTo);
    const value = batch.slice(reader.valueFrom, reader.valueTo);
    const { tree, type } = reader;
    expect([MUTATION_PUT, MUTATION_DELETE]).toContain(type);
    mutations.push(
      type === MUTATION_PUT ? { type: "put", tree, key, value } : { type: "delete", tree, key },
    );
  }
  expect(reader.position).toBe(batch.length);
  return mutations;
}

const anyTree = (): boolean => true;

test("a batch is read as it was written", () => {
  forEachSeed({ seeds: 100 }, ({ random }) => {
    const mutations = new Map<string, Mutation>();
    for (let at = random.below(30); at > 0; at--) {
      const key = random.fill(new Uint8Array(random.below(20)));
      const tree = MAIN_TREE + random.below(3);
      const value = random.fill(new Uint8Array(random.below(300)));
      const isPut = random.chance(0.7);
      const mutation: Mutation = isPut
        ? { type: "put", tree, key, value }
        : { type: "delete", tree, key };
      mutations.set(`${tree}/${key.join()}`, mutation);
    }
    const list = [...mutations.values()];

    const batch = encode(list);

    expect(decode(batch)).toEqual(list.toSorted(byKey));
    expect(() => checkBatch(batch, anyTree)).not.toThrow();
  });
});

/** By tree, then by key. */
function byKey(a: Mutation, b: Mutation): number {
  return a.tree! - b.tree! || compareBytes(a.key, b.key);
}

test("of several mutations of one key the last one is kept, and the others come in order", () => {
  const batch = encode([put("b", "1"), put("a", "2"), del("b"), put("b", "3", 7), put("a", "4")]);

  expect(decode(batch)).toEqual([put("a", "4", MAIN_TREE), del("b", MAIN_TREE), put("b", "3", 7)]);
});

test("of very many mutations too the last one of each key is kept", () => {
  const keys = Array.from({ length: 5000 }, (_, at) => String((at * 7919) % 3001));
  const batch = encode(keys.map((key, at) => put(key, String(at))));

  const found = new Map(decode(batch).map((mutation) => [text(mutation.key), mutation]));
  expect(found.size).toBe(3001);
  expect(decode(batch)).toHaveLength(3001);
  for (const [at, key] of keys.entries()) {
    if (keys.lastIndexOf(key) === at)
      expect(found.get(key)).toEqual(put(key, String(at), MAIN_TREE));
  }
});

test("keys that only look alike stay apart", () => {
  const mutations = [
    put("2/a", "x", 1),
    put("a", "y", 12),
    put("/a", "z", 12),
    put("2/a", "w", 11),
  ];
  expect(decode(encode(mutations))).toEqual(mutations.toSorted(byKey));
});

test("the largest key and value fit, the next are refused", () => {
  const key = new Uint8Array(KEY_BYTES_MAX);
  const value = new Uint8Array(VALUE_BYTES_MAX);
  const batch = encode([{ type: "put", key, value }]);
  expect(() => checkBatch(batch, anyTree)).not.toThrow();

  const longKey = new Uint8Array(KEY_BYTES_MAX + 1);
  const longValue = new Uint8Array(VALUE_BYTES_MAX + 1);
  expect(() => encode([{ type: "delete", key: longKey }])).toThrow(codeIs("TXN_KEY_TOO_LARGE"));
  expect(() => encode([{ type: "put", key, value: longValue }])).toThrow(
    codeIs("TXN_VALUE_TOO_LARGE"),
  );
  const many = Array.from({ length: 5 }, (_, at): Mutation => ({
    type: "put",
    key: bytes(`${at}`),
    value,
  }));
  expect(() => encode(many)).toThrow(codeIs("TXN_BATCH_TOO_LARGE"));
});

test("a batch is refused whose parts no writer would have written", () => {
  const writer = new ByteWriter();
  const refused = (write: () => void): unknown => {
    writer.reset();
    write();
    try {
      checkBatch(writer.toBytes(), (tree) => tree === MAIN_TREE);
      return undefined;
    } catch (error) {
      return isKvsError(error) ? error.code : error;
    }
  };
  const head = (type: number, tree: number, keyBytes: number): void => {
    writer.varint(1);
    writer.u8(type);
    writer.varint(tree);
    writer.varint(keyBytes);
  };

  expect(refused(() => undefined)).toBe("TXN_DAMAGED_BATCH");
  expect(refused(() => writer.varint(1))).toBe("TXN_DAMAGED_BATCH");
  expect(refused(() => head(MUTATION_PUT, MAIN_TREE, 5))).toBe("TXN_DAMAGED_BATCH");
  expect(refused(() => head(3, MAIN_TREE, 0))).toBe("TXN_DAMAGED_BATCH");
  expect(refused(() => head(MUTATION_DELETE, 9, 0))).toBe("TXN_UNKNOWN_TREE");
  const behind = (): void => {
    head(MUTATION_DELETE, MAIN_TREE, 0);
    writer.u8(0);
  };
  expect(refused(behind)).toBe("TXN_DAMAGED_BATCH");
  const tooLong = (): void => {
    head(MUTATION_DELETE, MAIN_TREE, KEY_BYTES_MAX + 1);
    writer.bytes(new Uint8Array(KEY_BYTES_MAX + 1));
  };
  expect(refused(tooLong)).toBe("TXN_KEY_TOO_LARGE");
  const huge = new Uint8Array((64 << 20) + 1);
  expect(() => checkBatch(huge, anyTree)).toThrow(codeIs("TXN_BATCH_TOO_LARGE"));
});

test("hostile bytes are a batch or refused by a code, and never take long", () => {
  const sound = encode([put("key", "value"), del("other"), put("long", "v".repeat(200))]);
  const random = createRandom(3);
  const check = (batch: Uint8Array): void => {
    try {
      checkBatch(batch, anyTree);
      decode(batch);
    } catch (error) {
      if (!isKvsError(error)) throw error;
    }
  };

  for (let length = 0; length < sound.length; length++) {
    expect(() => checkBatch(sound.slice(0, length), anyTree)).toThrow(codeIs("TXN_DAMAGED_BATCH"));
  }
  for (let bit = 0; bit < sound.length * 8; bit++) {
    const flipped = sound.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    check(flipped);
  }
  for (let round = 0; round < 2000; round++) {
    check(random.fill(new Uint8Array(random.below(40))));
  }
});
