/**
 * What is proposed in one turn goes to the core in as few batches as fit into messages, and is then waited
 * for.
 */
import { isKvsError } from "@kvs/env";

import { packPayloads } from "../core/entry.ts";
import { type LogIndex, NOBODY } from "../core/ids.ts";
import { type RaftCore } from "../core/raft-core.ts";
import { notLeader } from "../core/raft-error.ts";
import { Proposals, PROPOSALS_MAX, tooManyProposals } from "./proposals.ts";

/** Bytes of proposals that go to the core as one batch: what one message carries. */
const BATCH_BYTES: number = 1 << 20;

interface Proposed {
  readonly payloads: readonly Uint8Array[];
  readonly bytes: number;
  readonly resolve: (index: LogIndex) => void;
  readonly reject: (error: unknown) => void;
}

export class ProposalQueue {
  readonly #core: RaftCore;
  readonly #timeoutTicks: number;
  readonly #waiting: Proposals;
  #proposed: Proposed[] = [];

  /** @param isLax See `Proposals`. */
  constructor(core: RaftCore, timeoutTicks: number, isLax: boolean) {
    this.#core = core;
    this.#timeoutTicks = timeoutTicks;
    this.#waiting = new Proposals(isLax);
  }

  get count(): number {
    return this.#waiting.count + this.#proposed.length;
  }

  /** Those that the core has taken. */
  get waiting(): Proposals {
    return this.#waiting;
  }

  /** Holds it for the end of the turn, unless it would be refused anyway. */
  add(payloads: readonly Uint8Array[]): Promise<LogIndex> {
    const { role, leader } = this.#core;
    if (role !== "leader") return Promise.reject(notLeader(leader ?? NOBODY));
    if (this.count >= PROPOSALS_MAX) return Promise.reject(tooManyProposals());
    const bytes = payloads.reduce((sum, payload) => sum + payload.length, 0);
    return new Promise((resolve, reject) => {
      this.#proposed.push({ payloads, bytes, resolve, reject });
    });
  }

  /** Gives the core what was proposed in this turn. */
  flush(tick: number): void {
    const proposed = this.#proposed;
    if (proposed.length === 0) return;
    this.#proposed = [];
    let group: Proposed[] = [];
    let bytes = 0;
    for (const each of proposed) {
      if (group.length > 0 && bytes + each.bytes > BATCH_BYTES) {
        this.#propose(group, tick);
        group = [];
        bytes = 0;
      }
      group.push(each);
      bytes += each.bytes;
    }
    this.#propose(group, tick);
  }

  /** Gives everything up. What the core was not told of has had no effect. */
  abort(error: unknown): void {
    this.#waiting.abort();
    for (const { reject } of this.#proposed.splice(0)) reject(error);
  }

  #propose(group: readonly Proposed[], tick: number): void {
    try {
      const payloads = packPayloads(group.flatMap((each) => each.payloads));
      const { firstIndex: from, term } = this.#core.propose(payloads);
      const deadlineTick = tick + this.#timeoutTicks;
      let firstIndex = from;
      for (const { payloads: own, resolve, reject } of group) {
        const lastIndex = firstIndex + own.length - 1;
        this.#waiting.add({ firstIndex, lastIndex, term, deadlineTick }, resolve, reject);
        firstIndex = lastIndex + 1;
      }
    } catch (error) {
      if (!isKvsError(error)) throw error;
      for (const { reject } of group) reject(error);
    }
  }
}
