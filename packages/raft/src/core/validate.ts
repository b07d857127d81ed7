/**
 * What a message must be before anything looks at its meaning: bytes come from elsewhere, and a
 * number that is no integer would spread through the state (REL-R23).
 */
import { findProblem, type Configuration } from "./configuration.ts";
import { decodeConfiguration } from "./configuration-codec.ts";
import { type DropReason } from "./drop-reason.ts";
import { countOf, type EntryBatch, lastIndexOf, payloadAt } from "./entry.ts";
import { isId, isPosition, POSITION_MAX, TERM_JUMP_MAX } from "./ids.ts";
import {
  type AppendRequest,
  type FetchResponse,
  type Message,
  type SnapshotMetadata,
  type SnapshotRequest,
} from "./message.ts";
import { type RaftState } from "./raft-state.ts";

/** Why a message cannot be taken in at all, if it cannot. */
export function findMessageProblem(state: RaftState, message: Message): DropReason | undefined {
  if (message.group !== state.group) return "wrong-group";
  if (message.to !== state.self) return "not-addressed";
  if (message.from === state.self) return "from-self";
  if (!isId(message.from) || !isPosition(message.term)) return "malformed";
  if (message.term - state.term > TERM_JUMP_MAX) return "term-jump";
  return findContentProblem(message);
}

type Check<T extends Message["type"]> = (
  message: Extract<Message, { readonly type: T }>,
) => DropReason | undefined;

/** What each kind of message must be. A kind that is not here is from no version of this program. */
const CHECKS: { readonly [T in Message["type"]]: Check<T> } = {
  "vote-request": (m) => findLastProblem(m, areFlags(m.isPreVote, m.isTransfer)),
  "vote-response": (m) => findLastProblem(m, areFlags(m.isPreVote, m.granted)),
  "append-request": findAppendProblem,
  "append-response": (m) => {
    const { matchIndex, rejectedIndex, hintIndex, hintTerm } = m;
    const isSound = areFlags(m.accepted) && hintTerm <= m.term;
    return findPositionProblem(isSound, matchIndex, rejectedIndex, hintIndex, hintTerm);
  },
  "heartbeat-request": (m) => findPositionProblem(true, m.round, m.commitIndex, m.stableIndex),
  "heartbeat-response": (m) => findPositionProblem(true, m.round),
  "hibernate-request": (m) => findPositionProblem(true, m.lastIndex, m.commitIndex),
  "hibernate-response": (m) => findPositionProblem(areFlags(m.accepted), m.lastIndex),
  "snapshot-request": findSnapshotProblem,
  "snapshot-response": (m) => findPositionProblem(true, m.index, m.offset),
  "timeout-now": (m) => findLastProblem(m, true),
  "read-request": (m) => findPositionProblem(isContext(m.context)),
  "read-response": (m) => findPositionProblem(isContext(m.context), m.index),
  "fetch-request": (m) => findPositionProblem(true, m.prevIndex, m.prevTerm),
  "fetch-response": findFetchProblem,
};

const CHECK_OF: ReadonlyMap<string, (message: never) => DropReason | undefined> = new Map(
  Object.entries(CHECKS),
);

function findContentProblem(message: Message): DropReason | undefined {
  const check = CHECK_OF.get(message.type);
  return check === undefined ? "malformed" : check(message as never);
}

function findLastProblem(
  message: {
    readonly term: number;
    readonly lastIndex: number;
    readonly lastTerm: number;
  },
  isSound: boolean,
): DropReason | undefined {
  const { term, lastIndex, lastTerm } = message;
  return findPositionProblem(isSound && lastTerm <= term, lastIndex, lastTerm);
}

function findAppendProblem(message: AppendRequest): DropReason | undefined {
  const { prevIndex, prevTerm, entries, commitIndex, stableIndex, term } = message;
  const isSound = prevTerm <= term && Array.isArray(entries);
  const problem = findPositionProblem(isSound, prevIndex, prevTerm, commitIndex, stableIndex);
  return (
    problem ?? findEntriesProblem(entries, { index: prevIndex, term: prevTerm, maxTerm: term })
  );
}

function findFetchProblem(message: FetchResponse): DropReason | undefined {
  const { prevIndex, prevTerm, entries, lastIndex, lastTerm, hintIndex, term } = message;
  const isSound = Array.isArray(entries) && lastTerm <= term;
  const problem = findPositionProblem(isSound, prevIndex, prevTerm, lastIndex, lastTerm, hintIndex);
  const start = { index: prevIndex, term: prevTerm, maxTerm: lastTerm };
  // Without entries, the previous position is but an echo of the question.
  if (problem !== undefined || entries.length === 0) return problem;
  return findEntriesProblem(entries, start);
}

/** Entries follow `start` without a gap, their terms ascend, and none is above the limit. */
function findEntriesProblem(
  entries: readonly EntryBatch[],
  start: { readonly index: number; readonly term: number; readonly maxTerm: number },
): DropReason | undefined {
  let { index, term } = start;
  for (const batch of entries) {
    if (!isRecord(batch) || !hasPayloads(batch)) return "malformed-entries";
    if (batch.firstIndex !== index + 1 || batch.term < term) return "malformed-entries";
    if (!isPosition(batch.term) || batch.term === 0) return "malformed-entries";
    const problem = batch.kind === "configuration" ? findMembersProblem(batch) : undefined;
    if (problem !== undefined) return problem;
    index = lastIndexOf(batch);
    term = batch.term;
  }
  return term > start.maxTerm || index > POSITION_MAX ? "malformed-entries" : undefined;
}

function findMembersProblem(batch: EntryBatch): DropReason | undefined {
  if (countOf(batch) !== 1) return "malformed-entries";
  const configuration = decodeConfiguration(payloadAt(batch, batch.firstIndex));
  return configuration === undefined ? "malformed-configuration" : undefined;
}

function hasPayloads(batch: EntryBatch): boolean {
  const { data, offsets, kind } = batch;
  if (!(data instanceof Uint8Array) || !(offsets instanceof Uint32Array)) return false;
  if (kind !== "command" && kind !== "empty" && kind !== "configuration") return false;
  if (offsets.length < 2 || offsets.at(-1)! > data.length) return false;
  for (let at = 1; at < offsets.length; at++) if (offsets[at]! < offsets[at - 1]!) return false;
  return true;
}

function findSnapshotProblem(message: SnapshotRequest): DropReason | undefined {
  const { snapshot, offset, data, term, checksum } = message;
  if (!(data instanceof Uint8Array) || !Number.isInteger(checksum)) return "malformed";
  if (!isSnapshot(snapshot) || snapshot.term > term) return "malformed";
  if (!isPosition(offset) || offset + data.length > snapshot.sizeBytes) return "malformed";
  return isPlausible(snapshot.configuration) ? undefined : "malformed-configuration";
}

function isSnapshot(snapshot: SnapshotMetadata): boolean {
  return (
    isRecord(snapshot) &&
    isRecord(snapshot.configuration) &&
    isPosition(snapshot.index) &&
    snapshot.index > 0 &&
    isPosition(snapshot.term) &&
    snapshot.term > 0 &&
    isPosition(snapshot.sizeBytes) &&
    Number.isInteger(snapshot.checksum)
  );
}

function isPlausible(configuration: Configuration): boolean {
  const { incoming, outgoing, learners, witnesses } = configuration;
  const lists = [incoming, outgoing, learners, witnesses];
  if (!lists.every((list) => Array.isArray(list) && list.every(isId))) return false;
  return findProblem(configuration) === undefined;
}

/** What the types say, of values that may have come from anywhere. */
function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function areFlags(...values: readonly boolean[]): boolean {
  return values.every((value) => typeof value === "boolean");
}

function isContext(context: number): boolean {
  return Number.isSafeInteger(context) && context > 0;
}

function findPositionProblem(
  isSound: boolean,
  ...positions: readonly number[]
): DropReason | undefined {
  return isSound && positions.every(isPosition) ? undefined : "malformed";
}
