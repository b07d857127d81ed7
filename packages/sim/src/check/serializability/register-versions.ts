import { type HistoryKey, type HistoryValue, type MicroOperation } from "../history.ts";
import { type Inference } from "./inference.ts";

/** What one transaction read of a register that it had not written before. */
interface RegisterRead {
  readonly node: number;
  readonly value: HistoryValue;
  /** Whether it read a range that did not have the key. */
  readonly isPredicate: boolean;
}

interface RegisterFacts {
  readonly reads: RegisterRead[];
  /** The version that each transaction left. */
  readonly writes: Map<number, HistoryValue>;
  /** Of each transaction that read a version and then replaced it: which. */
  readonly replaced: Map<number, HistoryValue>;
}

/**
 * Finds what is known of the order of the versions of every register: nothing comes before its absence
 * (`null`), and who reads a version and then writes another puts the one behind the other. Of blind
 * writes nothing is known, so that less is found than with lists.
 *
 * Source: as for lists, §5: recoverable registers, "writes follow reads".
 */
export function inferRegisterVersions(inference: Inference): void {
  for (const [key, facts] of gatherRegisters(inference)) {
    const versions = versionsOf(inference, facts);
    for (const [before, later] of versions) {
      const writer = before === null ? undefined : inference.writerOf(key, before);
      if (writer === undefined) continue;
      for (const after of later) inference.addWriteWrite(writer.node, after, key);
    }
    for (const { node, value, isPredicate } of facts.reads) {
      if (value !== null) addReadFrom(inference, key, node, value);
      for (const after of versions.get(value) ?? []) {
        inference.addReadWrite(node, after, key, isPredicate);
      }
    }
    reportLostUpdates(inference, key, facts);
  }
}

/** For each version, the transactions that are known to have written a later one. */
function versionsOf(
  inference: Inference,
  { reads, writes, replaced }: RegisterFacts,
): Map<HistoryValue, number[]> {
  const seen = new Set(reads.map(({ value }) => value));
  const versions = new Map<HistoryValue, number[]>([[null, []]]);
  for (const [node, value] of writes) {
    const isCertain = inference.transactions[node]!.outcome === "ok" || seen.has(value);
    if (!isCertain) continue;
    versions.get(null)!.push(node);
    const before = replaced.get(node);
    if (before === undefined || before === null) continue;
    versions.set(before, [...(versions.get(before) ?? []), node]);
  }
  return versions;
}

// oxlint-disable-next-line eslint/max-params -- one read of one key
function addReadFrom(
  inference: Inference,
  key: HistoryKey,
  node: number,
  value: HistoryValue,
): void {
  const writer = inference.judgeRead(node, key, value);
  if (writer === undefined) return;
  if (!writer.isFinal) {
    const what = `it read ${JSON.stringify(value)} of ${JSON.stringify(key)}, which its writer replaced`;
    inference.report("G1b", [node, writer.node], what);
  }
  inference.addWriteRead(writer.node, node, key);
}

function gatherRegisters(inference: Inference): Map<HistoryKey, RegisterFacts> {
  const registers = new Map<HistoryKey, RegisterFacts>();
  const keys = textKeysOf(inference);
  for (const [node, { operations, outcome }] of inference.transactions.entries()) {
    const view: RegisterView = { own: new Map(), seen: new Map() };
    for (const operation of operations) {
      if (operation[0] === "w") {
        const [, key, value] = operation;
        if (outcome !== "fail") noteWrite(factsOf(registers, key), view, { node, key, value });
        view.own.set(key, value);
      }
      if (outcome !== "ok") continue;
      for (const read of readsOf(operation, keys)) {
        const { value, isPredicate } = read;
        if (!isFromOutside(inference, node, view, read)) continue;
        factsOf(registers, read.key).reads.push({ node, value, isPredicate });
      }
    }
  }
  return registers;
}

/** What a transaction knows of the registers: what it wrote, and what it read of others. */
interface RegisterView {
  readonly own: Map<HistoryKey, HistoryValue>;
  readonly seen: Map<HistoryKey, HistoryValue>;
}

interface RegisterWrite {
  readonly node: number;
  readonly key: HistoryKey;
  readonly value: HistoryValue;
}

function noteWrite(facts: RegisterFacts, view: RegisterView, write: RegisterWrite): void {
  const { node, key, value } = write;
  const isFirst = !view.own.has(key);
  if (isFirst && view.seen.has(key)) facts.replaced.set(node, view.seen.get(key)!);
  facts.writes.set(node, value);
}

/** Whether a read shows what others wrote; compares it with what the transaction knows already. */
// oxlint-disable-next-line eslint/max-params -- a read and who made it
function isFromOutside(
  inference: Inference,
  node: number,
  { own, seen }: RegisterView,
  { key, value }: KeyRead,
): boolean {
  const name = JSON.stringify(key);
  if (own.has(key)) {
    if (own.get(key) !== value) {
      inference.report("internal", [node], `a read of ${name} misses its own write`);
    }
    return false;
  }
  if (seen.has(key) && seen.get(key) !== value) {
    inference.report("unrepeatable-read", [node], `two reads of ${name} differ`);
  }
  seen.set(key, value);
  return true;
}

function factsOf(registers: Map<HistoryKey, RegisterFacts>, key: HistoryKey): RegisterFacts {
  const facts = registers.get(key) ?? { reads: [], writes: new Map(), replaced: new Map() };
  registers.set(key, facts);
  return facts;
}

interface KeyRead {
  readonly key: HistoryKey;
  readonly value: HistoryValue;
  readonly isPredicate: boolean;
}

/** The registers that an operation read: of a range also those that it did not find. */
function readsOf(operation: MicroOperation, keys: readonly string[]): KeyRead[] {
  const [kind, subject, answer] = operation;
  if (kind === "r" && !Array.isArray(answer)) {
    return [{ key: subject, value: answer as HistoryValue, isPredicate: false }];
  }
  if (kind !== "range" || answer === null) return [];
  const [from, to] = subject;
  const found = new Map(answer);
  const absent = keys.filter((key) => key >= from && key < to && !found.has(key));
  return [
    ...answer.map(([key, value]) => ({ key, value, isPredicate: false })),
    ...absent.map((key) => ({ key, value: null, isPredicate: true })),
  ];
}

/** Every register with a text for a key that anybody writes. */
function textKeysOf(inference: Inference): string[] {
  const keys = new Set<string>();
  for (const { operations } of inference.transactions) {
    for (const [kind, key] of operations)
      if (kind === "w" && typeof key === "string") keys.add(key);
  }
  return [...keys];
}

/** Two that read the same version, and both replaced it. */
function reportLostUpdates(inference: Inference, key: HistoryKey, facts: RegisterFacts): void {
  const firstOf = new Map<HistoryValue, number>();
  for (const [node, value] of facts.replaced) {
    if (inference.transactions[node]!.outcome !== "ok") continue;
    const other = firstOf.get(value);
    if (other === undefined) firstOf.set(value, node);
    else {
      const what = `both read ${JSON.stringify(value)} of ${JSON.stringify(key)} and replaced it`;
      inference.report("lost-update", [other, node], what);
    }
  }
}
