import { type EntryBatch } from "./entry.ts";
import { type NodeId } from "./ids.ts";
import { type AppendResponse, type Message, type SnapshotMetadata } from "./message.ts";
import { traceSend } from "./raft-trace.ts";
import { type RaftState } from "./raft-state.ts";
import { type ConfirmedRead, type NewBase, type ReceivedChunk, type WantedChunk } from "./ready.ts";

/** What the next Ready will carry. Its arrays are handed out, not copied, and replaced. */
export class Outbox {
  messages: Message[] = [];
  afterPersist: Message[] = [];
  repairs: EntryBatch[] = [];
  newBase: NewBase | undefined;
  receivedChunks: ReceivedChunk[] = [];
  install: SnapshotMetadata | undefined;
  reads: ConfirmedRead[] = [];
  failedReads: number[] = [];
  wantedChunks: WantedChunk[] = [];
  isSnapshotWanted = false;
}

/** Sends at once: for messages that promise nothing about this node's disk. */
export function sendNow(state: RaftState, message: Message): void {
  state.outbox.messages.push(message);
  traceSend(state, message);
}

/** Sends once all that was written so far is durable. */
export function sendAfterPersist(state: RaftState, message: Message): void {
  state.outbox.afterPersist.push(message);
  traceSend(state, message);
}

/**
 * Sends a message that promises nothing but its term: at once if the term is durable, so that
 * heartbeats are answered although the disk is slow, else after it is.
 */
export function sendWithTerm(state: RaftState, message: Message): void {
  if (message.term <= state.durableTerm) sendNow(state, message);
  else sendAfterPersist(state, message);
}

/** Acknowledges entries, once they are durable. Of several acknowledgements the last one stays. */
export function sendAcknowledgement(state: RaftState, to: NodeId, matchIndex: number): void {
  const response: AppendResponse = {
    type: "append-response",
    group: state.group,
    from: state.self,
    to,
    term: state.term,
    accepted: true,
    matchIndex,
    rejectedIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
  };
  if (state.sabotage["raft.ack-before-persist"]) {
    sendNow(state, response);
    return;
  }
  const queue = state.outbox.afterPersist;
  const last = queue.at(-1);
  if (last?.type === "append-response" && last.accepted && isRepeat(last, response)) queue.pop();
  sendAfterPersist(state, response);
}

function isRepeat(last: AppendResponse, next: AppendResponse): boolean {
  return last.to === next.to && last.term === next.term && last.matchIndex <= next.matchIndex;
}
