/**
 * Entries from another node than the leader, for two needs:
 *
 * - Payloads that this node lost (REL-R25). It knows index and term of each, so that any node's copy
 *   serves: two entries with the same index and term are the same entry (§5.3, log matching).
 * - Entries that only a witness has. It never campaigns, and refuses its vote to a shorter log; so a
 *   refused candidate takes over the witness's longer log and campaigns again. That log is better by
 *   §5.4.1, hence holds all that is committed: nothing committed is cut off. The fetched entries count
 *   for no leader's quorum until that leader has compared them itself.
 */
import { isVoter, isWitness, membersOf } from "./configuration.ts";
import { type LogIndex, NOBODY, type NodeId } from "./ids.ts";
import { type EntryBatch } from "./entry.ts";
import { type FetchRequest } from "./message.ts";
import { sendWithTerm } from "./outbox.ts";
import { type RaftState } from "./raft-state.ts";
import { beginTransfer } from "./snapshot-send.ts";

/** Asks a witness for what follows this node's last entry. */
export function fetchFromWitness(state: RaftState, from: NodeId): void {
  state.fetchFrom = from;
  sendFetch(state, from, state.log.lastIndex);
}

/** Each tick: asks for lost payloads, at the rate of heartbeats; the leader, or else each in turn. */
export function tickFetch(state: RaftState): void {
  const [damage] = state.log.damaged;
  if (damage === undefined) return;
  state.fetchTicks++;
  if (state.fetchTicks % state.settings.heartbeatTicks !== 0) return;
  const to = state.leader === NOBODY ? nextPeer(state) : state.leader;
  if (to !== NOBODY && to !== state.self) sendFetch(state, to, damage.from - 1);
}

/** Asks for what follows an entry of this node's log. */
export function sendFetch(state: RaftState, to: NodeId, prevIndex: LogIndex): void {
  const { group, self: from, term } = state;
  const prevTerm = state.log.termAt(prevIndex);
  sendWithTerm(state, { type: "fetch-request", group, from, to, term, prevIndex, prevTerm });
}

/** Answers with entries, or with where the logs may still agree. */
export function stepFetchRequest(state: RaftState, request: FetchRequest): void {
  const { log } = state;
  const { prevIndex, prevTerm } = request;
  let entries: readonly EntryBatch[] = [];
  let hintIndex: LogIndex = 0;
  if (log.matches(prevIndex, prevTerm)) {
    if (prevIndex < log.lastIndex) {
      // What is not in memory is being loaded: the sender asks again.
      entries = log.read(prevIndex + 1, log.persistedIndex, state.settings.messageMaxBytes) ?? [];
    }
  } else if (prevIndex < log.baseIndex) {
    helpBySnapshot(state, request.from);
  } else {
    hintIndex = log.lastIndexAtOrBelow(Math.min(prevIndex, log.lastIndex), prevTerm);
  }
  const { group, self: from, term } = state;
  const { lastIndex, lastTerm } = log;
  const reply = { type: "fetch-response", group, from, to: request.from, term } as const;
  sendWithTerm(state, { ...reply, prevIndex, prevTerm, entries, lastIndex, lastTerm, hintIndex });
}

/** Whether fetched entries may extend the log: nobody leads, and the witness was asked. */
export function mayFollowWitness(state: RaftState, from: NodeId): boolean {
  return (
    state.role !== "leader" &&
    state.leader === NOBODY &&
    state.fetchFrom === from &&
    state.installing === undefined &&
    isWitness(state.membership.current, from)
  );
}

/** What was lost is compacted here: only a snapshot brings it back, and only a leader sends it. */
function helpBySnapshot(state: RaftState, to: NodeId): void {
  const progress = state.leading?.peers.get(to);
  if (progress === undefined || progress.state === "snapshot") return;
  beginTransfer(state, progress);
}

function nextPeer(state: RaftState): NodeId {
  const { current } = state.membership;
  const peers = membersOf(current).filter((id) => id !== state.self && isVoter(current, id));
  if (peers.length === 0) return NOBODY;
  return peers[state.fetchTicks % peers.length]!;
}
