import { type Configuration, isJoint } from "./configuration.ts";
import { countOf, type EntryBatch, lastIndexOf } from "./entry.ts";
import { NOBODY, type NodeId } from "./ids.ts";
import { type Message } from "./message.ts";
import { type Progress } from "./progress.ts";
import { type RaftState } from "./raft-state.ts";

/** A node in one line: `n1 leader term=2 vote=n1 commit=3 log=2/4`. The log is term/index. */
export function describeState(state: Readonly<RaftState>): string {
  const { log } = state;
  const parts = [
    describeNode(state.self),
    state.role,
    `term=${state.term}`,
    `vote=${describeNode(state.votedFor)}`,
    `commit=${state.commitIndex}`,
    `log=${log.lastTerm}/${log.lastIndex}`,
  ];
  if (log.baseIndex > 0) parts.push(`base=${log.baseTerm}/${log.baseIndex}`);
  if (log.persistedIndex !== log.lastIndex) parts.push(`persisted=${log.persistedIndex}`);
  if (state.role === "follower") parts.push(`leader=${describeNode(state.leader)}`);
  if (state.isQuiet) parts.push("quiet");
  if (log.damaged.length > 0) parts.push("damaged");
  return parts.join(" ");
}

/** Members in one line: `(n1 n2 n3)&&(n1 n2) learners=(n4) witnesses=(n3)`. */
export function describeConfiguration(configuration: Configuration): string {
  const parts = [describeNodes(configuration.incoming)];
  if (isJoint(configuration)) parts[0] += `&&${describeNodes(configuration.outgoing)}`;
  const { learners, witnesses } = configuration;
  if (learners.length > 0) parts.push(`learners=${describeNodes(learners)}`);
  if (witnesses.length > 0) parts.push(`witnesses=${describeNodes(witnesses)}`);
  return parts.join(" ");
}

/** What a leader knows of a peer: `n2 replicate match=4 next=5 inflight=1`. */
export function describeProgress(progress: Progress): string {
  const { id, state, matchIndex, nextIndex, inflight, transfer } = progress;
  const parts = [describeNode(id), state, `match=${matchIndex}`, `next=${nextIndex}`];
  if (inflight.count > 0) parts.push(`inflight=${inflight.count}`);
  if (progress.isProbeSent) parts.push("waiting");
  if (transfer !== undefined) parts.push(`snapshot=${transfer.snapshot.index}`);
  return parts.join(" ");
}

/** A message in one line: `n1->n2 append-request term=1 prev=0/0 entries=[1/1] commit=0`. */
export function describeMessage(message: Message): string {
  const { type, term } = message;
  const kind = "isPreVote" in message && message.isPreVote ? `pre-${type}` : type;
  const way = `${describeNode(message.from)}->${describeNode(message.to)}`;
  const content = CONTENTS[message.type](message as never);
  return `${way} ${kind} term=${term}${content === "" ? "" : ` ${content}`}`;
}

/** Batches as `term/index` or `term/first-last`, kinds other than commands in words. */
export function describeEntries(entries: readonly EntryBatch[]): string {
  const texts = entries.map((batch) => {
    const { term, firstIndex, kind } = batch;
    const range = countOf(batch) === 1 ? `${firstIndex}` : `${firstIndex}-${lastIndexOf(batch)}`;
    return `${term}/${range}${kind === "command" ? "" : `:${kind}`}`;
  });
  return `[${texts.join(" ")}]`;
}

function describeNode(id: NodeId): string {
  return id === NOBODY ? "-" : `n${id}`;
}

function describeNodes(ids: readonly NodeId[]): string {
  return `(${ids.map(describeNode).join(" ")})`;
}

type Describe<T extends Message["type"]> = (
  message: Extract<Message, { readonly type: T }>,
) => string;

const CONTENTS: { readonly [T in Message["type"]]: Describe<T> } = {
  "vote-request": (m) => `log=${m.lastTerm}/${m.lastIndex}${m.isTransfer ? " transfer" : ""}`,
  "vote-response": (m) => (m.granted ? "granted" : "refused"),
  "append-request": (m) =>
    `prev=${m.prevTerm}/${m.prevIndex} entries=${describeEntries(m.entries)} commit=${m.commitIndex}`,
  "append-response": (m) =>
    m.accepted
      ? `match=${m.matchIndex}`
      : `rejected=${m.rejectedIndex} hint=${m.hintTerm}/${m.hintIndex}`,
  "heartbeat-request": (m) => `round=${m.round} commit=${m.commitIndex}`,
  "heartbeat-response": (m) => `round=${m.round}`,
  "hibernate-request": (m) => `last=${m.lastIndex} commit=${m.commitIndex}`,
  "hibernate-response": (m) => (m.accepted ? "accepted" : "refused"),
  "snapshot-request": ({ snapshot, offset, data }) =>
    `snapshot=${snapshot.term}/${snapshot.index} offset=${offset} bytes=${data.length} of=${snapshot.sizeBytes}`,
  "snapshot-response": (m) => `snapshot=${m.index} offset=${m.offset}`,
  "timeout-now": (m) => `log=${m.lastTerm}/${m.lastIndex}`,
  "read-request": () => "",
  "read-response": (m) => `index=${m.index}`,
  "fetch-request": (m) => `prev=${m.prevTerm}/${m.prevIndex}`,
  "fetch-response": (m) =>
    `prev=${m.prevTerm}/${m.prevIndex} entries=${describeEntries(m.entries)}`,
};
