/**
 * What must hold of one node at any time between two calls. Too costly for each call in production;
 * tests ask after every step. What must hold between nodes is checked by those who see them all.
 */
import { NOBODY } from "./ids.ts";
import { type RaftState } from "./raft-state.ts";

/** The first rule that is broken, in the positive, or `undefined` if all hold. */
export function findViolation(state: Readonly<RaftState>): string | undefined {
  for (const [rule, holds] of RULES) if (!holds(state)) return rule;
  return undefined;
}

type Rule = readonly [string, (state: Readonly<RaftState>) => boolean];

const RULES: readonly Rule[] = [
  ["the commit index lies in the log", ({ commitIndex, log }) => commitIndex <= log.lastIndex],
  ["the log's base is committed", ({ commitIndex, log }) => log.baseIndex <= commitIndex],
  ["only committed entries are handed out", (state) => state.handedIndex <= state.commitIndex],
  ["only entries that were handed out are applied", (s) => s.appliedIndex <= s.handedIndex],
  ["only entries of the log are durable", ({ log }) => log.persistedIndex <= log.lastIndex],
  ["no entry has a later term than the node", ({ log, term }) => log.lastTerm <= term],
  ["the durable term is no later one", ({ durableTerm, term }) => durableTerm <= term],
  [
    "who leads has a leadership",
    ({ role, leading }) => (role === "leader") === (leading !== undefined),
  ],
  [
    "who leads knows that it does",
    ({ role, leader, self }) => (role === "leader") === (leader === self),
  ],
  [
    "a candidate voted for itself",
    ({ role, votedFor, self }) => !isElected(role) || votedFor === self,
  ],
  ["a witness never campaigns", (s) => s.role === "follower" || !s.isWitness],
  [
    "a candidate is a voter",
    (s) => !isCampaigning(s.role) || s.membership.isVoterSince(s.commitIndex, s.self),
  ],
  ["who is quiet knows a leader", ({ isQuiet, leader }) => !isQuiet || leader !== NOBODY],
  ["the next entry to send follows the matching ones", haveOrderedProgress],
  ["no peer matches more than the leader has", haveMatchesInLog],
];

function isElected(role: RaftState["role"]): boolean {
  return role === "candidate" || role === "leader";
}

function isCampaigning(role: RaftState["role"]): boolean {
  return role === "candidate" || role === "pre-candidate";
}

function haveOrderedProgress({ leading }: Readonly<RaftState>): boolean {
  return leading === undefined || leading.others.every((each) => each.matchIndex < each.nextIndex);
}

function haveMatchesInLog({ leading, log }: Readonly<RaftState>): boolean {
  return leading === undefined || leading.others.every((each) => each.matchIndex <= log.lastIndex);
}
