import { type HistoryKey, type HistoryValue } from "../history.ts";
import { type Inference } from "./inference.ts";

/** What one transaction read of a list, without what it had appended itself before. */
interface ListRead {
  readonly node: number;
  readonly elements: readonly HistoryValue[];
}

interface ListFacts {
  readonly reads: ListRead[];
  /** Places of the transactions that appended, and what, in no order. */
  readonly appends: { readonly node: number; readonly value: HistoryValue }[];
}

/**
 * Finds the order of the versions of every list: each read is a state of it, so that the longest one
 * tells the order of all that it holds, and whatever was appended and is not in it came later.
 *
 * Source: Kingsbury & Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations"
 * (VLDB 2020), §4.
 */
export function inferListVersions(inference: Inference): void {
  for (const [key, facts] of gatherLists(inference)) {
    const order = longestOf(facts.reads);
    judgeOrder(inference, key, facts, order);
    addOrder(inference, key, facts, order);
    reportLostUpdates(inference, key, facts);
  }
}

function gatherLists(inference: Inference): Map<HistoryKey, ListFacts> {
  const lists = new Map<HistoryKey, ListFacts>();
  for (const [node, { operations, outcome }] of inference.transactions.entries()) {
    const states = new Map<HistoryKey, ListState>();
    for (const [kind, key, value] of operations) {
      if (kind === "append") {
        if (outcome !== "fail") factsOf(lists, key).appends.push({ node, value });
        stateOf(states, key).own.push(value);
      } else if (kind === "r" && outcome === "ok" && Array.isArray(value)) {
        const elements = readList(inference, { node, key, state: stateOf(states, key) }, value);
        if (elements !== undefined) factsOf(lists, key).reads.push({ node, elements });
      }
    }
  }
  return lists;
}

/** What a transaction knows of a list. */
interface ListState {
  readonly own: HistoryValue[];
  /** What it read last that others had appended. */
  seen: readonly HistoryValue[] | undefined;
}

interface ListReader {
  readonly node: number;
  readonly key: HistoryKey;
  readonly state: ListState;
}

/** What a read shows of others' appends; `undefined` if it does not even show one's own. */
function readList(
  inference: Inference,
  { node, key, state }: ListReader,
  list: readonly HistoryValue[],
): readonly HistoryValue[] | undefined {
  const elements = list.slice(0, Math.max(0, list.length - state.own.length));
  if (!isSameList(list.slice(elements.length), state.own)) {
    inference.report("internal", [node], `a read of ${JSON.stringify(key)} misses its own appends`);
    return undefined;
  }
  if (state.seen !== undefined && !isSameList(state.seen, elements)) {
    inference.report("unrepeatable-read", [node], `two reads of ${JSON.stringify(key)} differ`);
  }
  state.seen = elements;
  return elements;
}

function factsOf(lists: Map<HistoryKey, ListFacts>, key: HistoryKey): ListFacts {
  const facts = lists.get(key) ?? { reads: [], appends: [] };
  lists.set(key, facts);
  return facts;
}

function stateOf(states: Map<HistoryKey, ListState>, key: HistoryKey): ListState {
  const state = states.get(key) ?? { own: [], seen: undefined };
  states.set(key, state);
  return state;
}

function longestOf(reads: readonly ListRead[]): ListRead {
  let longest: ListRead = { node: -1, elements: [] };
  for (const read of reads) if (read.elements.length > longest.elements.length) longest = read;
  return longest;
}

// oxlint-disable-next-line eslint/max-params -- one key, its facts and its order
function judgeOrder(
  inference: Inference,
  key: HistoryKey,
  { reads }: ListFacts,
  order: ListRead,
): void {
  const name = JSON.stringify(key);
  for (const { node, elements } of reads) {
    if (new Set(elements).size < elements.length) {
      inference.report("duplicate", [node], `a read of ${name} has an element twice`);
    }
    if (!isSameList(elements, order.elements.slice(0, elements.length))) {
      inference.report(
        "incompatible-order",
        [node, order.node],
        `reads of ${name} are no states of one list`,
      );
    }
    for (const value of elements) inference.judgeRead(node, key, value);
    const last = elements.at(-1);
    const writer = last === undefined ? undefined : inference.writerOf(key, last);
    if (writer !== undefined && !writer.isFinal && writer.node !== node) {
      inference.report(
        "G1b",
        [node, writer.node],
        `it read ${name} in the middle of another transaction`,
      );
    }
  }
}

// oxlint-disable-next-line eslint/max-params -- one key, its facts and its order
function addOrder(
  inference: Inference,
  key: HistoryKey,
  { reads, appends }: ListFacts,
  order: ListRead,
): void {
  const writers = order.elements
    .map((value) => inference.writerOf(key, value)?.node ?? -1)
    .filter((node) => node >= 0 && inference.mayHaveHappened(node));
  if (writers.length < order.elements.length) return; // somebody read what never was
  for (const [at, node] of writers.entries()) {
    if (at > 0) inference.addWriteWrite(writers[at - 1]!, node, key);
  }
  const inOrder = new Set(order.elements);
  const later = appends.filter(
    ({ node, value }) => !inOrder.has(value) && inference.transactions[node]!.outcome === "ok",
  );
  const lastWriter = writers.at(-1);
  for (const { node } of later) {
    if (lastWriter !== undefined) inference.addWriteWrite(lastWriter, node, key);
  }
  for (const { node, elements } of reads) {
    const last = elements.at(-1);
    const writer = last === undefined ? undefined : inference.writerOf(key, last);
    if (writer !== undefined) inference.addWriteRead(writer.node, node, key);
    const next = nextWriter(writers, elements.length, node);
    if (next !== undefined) inference.addReadWrite(node, next, key);
    else for (const append of later) inference.addReadWrite(node, append.node, key);
  }
}

/** Who wrote the first version behind the one that was read, other than the reader. */
function nextWriter(writers: readonly number[], from: number, reader: number): number | undefined {
  for (let at = from; at < writers.length; at++) if (writers[at] !== reader) return writers[at];
  return undefined;
}

/** Two that read the same state, and both appended. */
function reportLostUpdates(inference: Inference, key: HistoryKey, facts: ListFacts): void {
  const appended = new Set(facts.appends.map(({ node }) => node));
  const firstReader = new Map<number, number>();
  for (const { node, elements } of facts.reads) {
    if (!appended.has(node)) continue;
    const other = firstReader.get(elements.length);
    if (other === undefined) firstReader.set(elements.length, node);
    else if (other !== node) {
      const what = `both read ${JSON.stringify(key)} with ${elements.length} elements and appended`;
      inference.report("lost-update", [other, node], what);
    }
  }
}

function isSameList(a: readonly HistoryValue[], b: readonly HistoryValue[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}
