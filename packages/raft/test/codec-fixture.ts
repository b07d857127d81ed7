import { type Random, pick } from "@kvs/env";

import { type EntryBatch, type EntryKind, lastIndexOf, packPayloads } from "../src/core/entry.ts";
import { encodeConfiguration } from "../src/core/configuration-codec.ts";
import { toConfiguration } from "../src/core/configuration.ts";
import { type Message } from "../src/core/message.ts";

const TYPES = [
  "vote-request",
  "vote-response",
  "append-request",
  "append-response",
  "heartbeat-request",
  "heartbeat-response",
  "hibernate-request",
  "hibernate-response",
  "snapshot-request",
  "snapshot-response",
  "timeout-now",
  "read-request",
  "read-response",
  "fetch-request",
  "fetch-response",
] as const satisfies readonly Message["type"][];

/** Any message that a sound sender might send, small numbers and large ones. */
export function drawMessage(random: Random): Message {
  const type: Message["type"] = pick(random, TYPES);
  const number = (): number => {
    const bound = pick(random, [3, 200, 70_000, 2 ** 31, 2 ** 52]);
    return Math.floor(random.nextFloat() * bound);
  };
  const id = (): number => 1 + number();
  const envelope = { group: id(), from: id(), to: id(), term: number() };
  const prevIndex = number();
  const fields = {
    isPreVote: random.chance(0.5),
    isTransfer: random.chance(0.5),
    granted: random.chance(0.5),
    accepted: random.chance(0.5),
    lastIndex: number(),
    lastTerm: number(),
    prevIndex,
    prevTerm: number(),
    commitIndex: number(),
    stableIndex: number(),
    matchIndex: number(),
    rejectedIndex: number(),
    hintIndex: number(),
    hintTerm: number(),
    round: number(),
    index: number(),
    offset: number(),
    context: id(),
    checksum: random.below(2 ** 32),
    data: drawBytes(random, random.below(40)),
    entries: drawEntries(random, prevIndex + 1),
    snapshot: {
      index: id(),
      term: id(),
      configuration: toConfiguration({ incoming: [1, 2, id()], learners: [2 ** 53 - 1] }),
      sizeBytes: number(),
      checksum: random.below(2 ** 32),
    },
  };
  const names = FIELDS[type];
  const chosen = names.map((name) => [name, fields[name]] as const);
  return { type, ...envelope, ...Object.fromEntries(chosen) } as unknown as Message;
}

const FIELDS = {
  "vote-request": ["isPreVote", "isTransfer", "lastIndex", "lastTerm"],
  "vote-response": ["isPreVote", "granted", "lastIndex", "lastTerm"],
  "append-request": ["prevIndex", "prevTerm", "commitIndex", "stableIndex", "entries"],
  "append-response": ["accepted", "matchIndex", "rejectedIndex", "hintIndex", "hintTerm"],
  "heartbeat-request": ["round", "commitIndex", "stableIndex"],
  "heartbeat-response": ["round"],
  "hibernate-request": ["lastIndex", "commitIndex"],
  "hibernate-response": ["accepted", "lastIndex"],
  "snapshot-request": ["snapshot", "offset", "data", "checksum"],
  "snapshot-response": ["index", "offset"],
  "timeout-now": ["lastIndex", "lastTerm"],
  "read-request": ["context"],
  "read-response": ["context", "index"],
  "fetch-request": ["prevIndex", "prevTerm"],
  "fetch-response": ["prevIndex", "prevTerm", "lastIndex", "lastTerm", "hintIndex", "entries"],
} as const;

function drawBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = random.below(256);
  return bytes;
}

/** Batches that follow each other, some of which are views into the middle of larger arrays. */
function drawEntries(random: Random, firstIndex: number): EntryBatch[] {
  const batches: EntryBatch[] = [];
  let index = firstIndex;
  let term = 1 + random.below(4);
  for (let left = random.below(5); left > 0; left--) {
    if (random.chance(0.3)) term += random.below(300);
    const kind: EntryKind = pick(random, ["command", "command", "empty", "configuration"]);
    const batch = { kind, term, firstIndex: index, ...drawPayloads(random, kind) };
    batches.push(batch);
    index = lastIndexOf(batch) + 1;
  }
  return batches;
}

function drawPayloads(random: Random, kind: EntryKind): Pick<EntryBatch, "data" | "offsets"> {
  if (kind === "empty") return packPayloads([new Uint8Array(0)]);
  if (kind === "configuration") {
    return packPayloads([encodeConfiguration(toConfiguration({ incoming: [1, 2, 3] }))]);
  }
  const isUniform = random.chance(0.5);
  const length = random.below(20);
  const payloads = Array.from({ length: 1 + random.below(6) }, () =>
    drawBytes(random, isUniform ? length : random.below(40)),
  );
  const { data, offsets } = packPayloads(payloads);
  const before = random.below(5);
  const wider = new Uint8Array(before + data.length + random.below(5));
  wider.set(data, before);
  return { data: wider, offsets: offsets.map((offset) => offset + before) };
}

/** A message with its entries one by one, so that batches that were joined are equal to their parts. */
export function normalize(message: Message): unknown {
  if (!("entries" in message)) return message;
  const entries = message.entries.flatMap((batch) =>
    Array.from({ length: batch.offsets.length - 1 }, (_, at) => ({
      kind: batch.kind,
      term: batch.term,
      index: batch.firstIndex + at,
      payload: [...batch.data.subarray(batch.offsets[at], batch.offsets[at + 1])],
    })),
  );
  return { ...message, entries };
}
