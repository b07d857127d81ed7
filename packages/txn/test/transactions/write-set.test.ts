import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { keyName } from "../../src/transactions/key-name.ts";
import { WriteSet } from "../../src/transactions/write-set.ts";

const LENGTHS = [0, 1, 100, 255, 256, 4095, 4096, 4097, 20_000];

test("whatever is written, deleted and taken back, it holds what a plain map holds", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = createRandom(seed);
    const writes = new WriteSet();
    let model = new Map<string, Uint8Array | undefined>();
    const savepoints: { mark: number; model: Map<string, Uint8Array | undefined> }[] = [];
    for (let step = 0; step < 80; step++) {
      const name = keyName(1, Uint8Array.of(random.below(8)));
      const action = random.below(10);
      if (action < 6) {
        const length = LENGTHS[random.below(LENGTHS.length)]!;
        const value = new Uint8Array(length).fill(random.below(256));
        writes.put(name, value);
        model.set(name, value);
      } else if (action < 8) {
        writes.delete(name);
        model.set(name, undefined);
      } else if (action === 8) {
        savepoints.push({ mark: writes.mark(), model: new Map(model) });
      } else if (savepoints.length > 0) {
        const at = random.below(savepoints.length);
        const savepoint = savepoints[at]!;
        savepoints.length = at + 1;
        writes.rollbackTo(savepoint.mark);
        model = new Map(savepoint.model);
      }
      const found = new Map([...writes.names()].map((each) => [each, writes.get(each)!.value]));
      expect(found).toEqual(model);
    }
  }
});

test("what was taken back takes no room any more", () => {
  const writes = new WriteSet();
  writes.put("a", new Uint8Array(300));
  const [mark, bytes] = [writes.mark(), writes.sizeBytes];
  for (let at = 0; at < 100; at++) writes.put(`key ${at}`, new Uint8Array(1000));

  writes.rollbackTo(mark);

  expect(writes.sizeBytes).toBe(bytes);
  expect(writes.size).toBe(1);
});
