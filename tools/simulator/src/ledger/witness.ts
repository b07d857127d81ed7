import { type Entry, type LedgerRecord } from "./record.ts";
import { type Recovery } from "./earlier-lives.ts";

/**
 * Who watches the nodes from outside the simulated world: it sees what no node could, and knows
 * nothing but what they tell it. Nodes never ask it anything.
 */
export interface Witness {
  /** A node began a life: this is its epoch, and what it found. Its manifest is durable. */
  started(node: string, epoch: number, recovery: Recovery): void;
  /** A node holds this record, durably. */
  kept(node: string, record: LedgerRecord): void;
  /** A node noticed that something on its disk is not as written. */
  damaged(node: string, what: string): void;
  /** A client is about to ask a node for this, for the first time. */
  submitted(node: string, entry: Entry): void;
  /** A client was told that a node keeps this. */
  acknowledged(node: string, entry: Entry): void;
  /** How many entries clients know to be kept by a node. */
  acknowledgedCount(node: string): number;
  /** A node said that it has so many records; a client knew of `least` when it asked. */
  reported(node: string, recordCount: number, least: number): void;
  /** Something happened that must not. */
  broke(sentence: string): void;
}

/** The port of every node. */
export const LEDGER_PORT = 5000;

/** Where connections of this kind are opened. */
export function nodeUrl(node: string, path: "client" | "peer"): string {
  return `ws://${node}:${LEDGER_PORT}/${path}`;
}
