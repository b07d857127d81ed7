import { AssertionFailure, type Random } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";

import { type EntryBatch, lastIndexOf, packPayloads, payloadAt } from "../src/core/entry.ts";
import { RaftLog } from "../src/core/raft-log.ts";
import { MemoryLogStore } from "../src/memory-log-store.ts";

/** A log as two arrays: what a reader of the paper has in mind. */
class LogModel {
  base = 0;
  baseTerm = 0;
  entries: { term: number; value: number }[] = [];

  get last(): number {
    return this.base + this.entries.length;
  }

  term(index: number): number {
    if (index === this.base) return this.baseTerm;
    return this.entries[index - this.base - 1]?.term ?? -1;
  }
}

function newLog(): { log: RaftLog; store: MemoryLogStore } {
  const store = new MemoryLogStore({ incoming: [1] });
  return { log: new RaftLog(store.image(), store), store };
}

function makeBatch(model: LogModel, random: Random, term: number): EntryBatch {
  const count = 1 + random.below(4);
  const values = Array.from({ length: count }, () => random.below(256));
  const firstIndex = model.last + 1;
  model.entries.push(...values.map((value) => ({ term, value })));
  const payloads = packPayloads(values.map((value) => Uint8Array.of(value)));
  return { kind: "command", term, firstIndex, ...payloads };
}

/** One random operation on both. Returns the term of the last entry. */
function operate(log: RaftLog, store: MemoryLogStore, model: LogModel, random: Random): void {
  const lastTerm = model.term(model.last);
  const draw = random.below(10);
  if (draw < 5) log.append(makeBatch(model, random, Math.max(1, lastTerm) + random.below(2)));
  else if (draw === 5 && model.last > model.base) {
    const index = model.base + 1 + random.below(model.last - model.base);
    log.truncate(index);
    model.entries.length = index - model.base - 1;
  } else if (draw === 6 && log.persistedIndex > model.base) {
    const index = model.base + 1 + random.below(log.persistedIndex - model.base);
    const term = model.term(index);
    log.compact(index);
    const configuration = store.image().base.configuration;
    const newBase = { point: { index, term, configuration }, keepsSuffix: true };
    store.write({ hardState: undefined, newBase, cutFrom: 0, entries: [] });
    model.entries.splice(0, index - model.base);
    model.base = index;
    model.baseTerm = term;
  } else if (draw === 7) log.evict(random.below(40), log.persistedIndex);
  else {
    const { cutFrom, entries } = log.takeUnhanded();
    store.write({ hardState: undefined, newBase: undefined, cutFrom, entries });
    log.persisted(log.lastIndex);
  }
}

function checkAgainst(log: RaftLog, model: LogModel, random: Random): void {
  expect([log.baseIndex, log.baseTerm, log.lastIndex]).toEqual([
    model.base,
    model.baseTerm,
    model.last,
  ]);
  for (let index = model.base - 1; index <= model.last + 1; index++) {
    if (log.termAt(index) !== model.term(index)) expect(log.termAt(index)).toBe(model.term(index));
  }
  if (model.last === model.base) return;
  const from = model.base + 1 + random.below(model.last - model.base);
  const to = from + random.below(model.last - from + 1);
  const batches = log.read(from, to, 1 + random.below(60))!;
  let index = from;
  for (const batch of batches) {
    expect(batch.firstIndex).toBe(index);
    for (; index <= lastIndexOf(batch); index++) {
      const { term, value } = model.entries[index - model.base - 1]!;
      if (batch.term !== term || payloadAt(batch, index)[0] !== value) {
        expect([batch.term, payloadAt(batch, index)[0]]).toEqual([term, value]);
      }
    }
  }
  expect(index).toBeGreaterThan(from);
  expect(index).toBeLessThanOrEqual(to + 1);
}

test("the log is what two arrays would be, whatever is in memory and what in the store", () => {
  forEachSeed({ seeds: 200, size: 80 }, ({ random, size }) => {
    const { log, store } = newLog();
    const model = new LogModel();
    for (let step = 0; step < size; step++) {
      operate(log, store, model, random);
      checkAgainst(log, model, random);
    }
    // What was written is what a restart finds.
    const { cutFrom, entries } = log.takeUnhanded();
    store.write({ hardState: undefined, newBase: undefined, cutFrom, entries });
    checkAgainst(new RaftLog(store.image(), store), model, random);
  });
});

test("what was cut off while its write was under way is not durable", () => {
  const { log } = newLog();
  const model = new LogModel();
  log.append({ kind: "command", term: 1, firstIndex: 1, ...packPayloads([Uint8Array.of(1)]) });
  log.takeUnhanded();
  log.truncate(1);
  log.append({ kind: "command", term: 2, firstIndex: 1, ...packPayloads([Uint8Array.of(2)]) });

  expect(log.persistedIndex).toBe(model.base);
  expect(() => log.persisted(1)).toThrow(AssertionFailure); // nobody was handed the new entry yet
  expect(log.takeUnhanded().cutFrom).toBe(1);
});

test("a gap, a descending term, a compaction of what is not durable are bugs", () => {
  const { log } = newLog();
  const batch: EntryBatch = {
    kind: "command",
    term: 2,
    firstIndex: 1,
    ...packPayloads([new Uint8Array(1)]),
  };
  log.append(batch);

  expect(() => log.append({ ...batch, firstIndex: 3 })).toThrow(AssertionFailure);
  expect(() => log.append({ ...batch, firstIndex: 2, term: 1 })).toThrow(AssertionFailure);
  expect(() => log.compact(1)).toThrow(AssertionFailure);
});
