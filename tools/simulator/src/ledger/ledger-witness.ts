import {
  type Entry,
  type LedgerRecord,
  type RecordPlace,
  comparePlaces,
  encodeRecord,
  entryKey,
} from "./record.ts";
import { type Recovery } from "./earlier-lives.ts";
import { type Witness } from "./witness.ts";

/** How a disk was damaged: so that its node can notice, or so that it cannot. */
export type Harm = "none" | "noticeable" | "silent";

/** What the world outside knows of a node's disk. */
export type HarmOf = (node: string) => Harm;

/** More violations of one seed say nothing new. */
const VIOLATIONS_MAX = 10;

interface NodeRecords {
  epoch: number;
  readonly acknowledged: Map<string, Entry>;
  readonly damage: Set<string>;
  /** What the last life found. */
  records: readonly LedgerRecord[];
}

/** Keeps everything that was promised, and compares it with what is found. */
export class LedgerWitness implements Witness {
  readonly violations: string[] = [];
  readonly #harmOf: HarmOf;
  readonly #nodes = new Map<string, NodeRecords>();
  readonly #submitted = new Map<string, Entry>();
  /** The text of the record at each place of each ledger; a place has one record forever. */
  readonly #places = new Map<string, string>();
  #recoveries = 0;
  #damageReports = 0;

  constructor(nodes: readonly string[], harmOf: HarmOf) {
    this.#harmOf = harmOf;
    for (const node of nodes) {
      const acknowledged = new Map<string, Entry>();
      this.#nodes.set(node, { epoch: 0, acknowledged, damage: new Set(), records: [] });
    }
  }

  /** Lives that nodes began. */
  get recoveries(): number {
    return this.#recoveries;
  }

  /** Places that nodes reported as damaged. */
  get damageReports(): number {
    return this.#damageReports;
  }

  broke(sentence: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(sentence);
  }

  submitted(node: string, entry: Entry): void {
    this.#submitted.set(entryKey(entry, node), entry);
  }

  acknowledged(node: string, entry: Entry): void {
    this.#node(node).acknowledged.set(entryKey(entry, node), entry);
  }

  acknowledgedCount(node: string): number {
    return this.#node(node).acknowledged.size;
  }

  reported(node: string, recordCount: number, least: number): void {
    if (recordCount >= least || this.#harmOf(node) !== "none") return;
    this.broke(`${node} says ${recordCount} records, and acknowledged ${least} before`);
  }

  damaged(node: string, what: string): void {
    const { damage } = this.#node(node);
    if (!damage.has(what)) this.#damageReports++;
    damage.add(what);
  }

  kept(node: string, record: LedgerRecord): void {
    this.#checkRecord(node, record);
  }

  started(node: string, epoch: number, recovery: Recovery): void {
    this.#recoveries++;
    const known = this.#node(node);
    for (const what of recovery.damage) this.damaged(node, what);
    if (epoch <= known.epoch && this.#harmOf(node) === "none") {
      this.broke(`${node} begins epoch ${epoch} after epoch ${known.epoch}`);
    }
    known.epoch = Math.max(epoch, known.epoch);
    known.records = recovery.records;
    for (const record of recovery.records) this.#checkRecord(node, record);
    this.#checkOnce(node, recovery.records);
    this.#checkOrder(node, recovery.records);
    this.#checkAcknowledged(node, recovery.records);
  }

  /** Compares the nodes with each other, once all have started again and nothing goes on. */
  checkConvergence(): void {
    for (const origin of this.#nodes.keys()) {
      if (this.#harmOf(origin) !== "none") continue;
      const own = placesOf(this.#node(origin).records, origin);
      for (const [peer, { records }] of this.#nodes) {
        if (peer === origin || this.#harmOf(peer) !== "none") continue;
        const copied = placesOf(records, origin);
        const missing = [...own].filter((place) => !copied.has(place));
        const invented = [...copied].filter((place) => !own.has(place));
        if (missing.length > 0) this.broke(`${peer} lacks ${list(missing)} of ${origin}`);
        if (invented.length > 0) this.broke(`${origin} never kept ${list(invented)} of ${peer}`);
      }
    }
  }

  /** No record is invented, and none changes. */
  #checkRecord(node: string, record: LedgerRecord): void {
    const place = placeText(record);
    const text = encodeRecord(record);
    const known = this.#places.get(place);
    // An origin whose manifest and records are damaged may begin an epoch a second time.
    if (known !== undefined && known !== text && this.#harmOf(record.origin) === "none") {
      this.broke(`${node} holds ${text} at ${place}, where ${known} was kept`);
    }
    const entry = this.#submitted.get(entryKey(record, record.origin));
    if (entry === undefined || entry.value !== record.value || entry.kind !== record.kind) {
      this.broke(`${node} holds ${text}, which no client submitted`);
    } else if (known === undefined) this.#places.set(place, text);
  }

  /**
   * No entry is kept twice. A ledger that lost a record without noticing takes it again, though,
   * and the lost one may come back.
   */
  #checkOnce(node: string, records: readonly LedgerRecord[]): void {
    if (this.#harmOf(node) !== "none") return;
    const seen = new Set<string>();
    for (const record of records) {
      const key = entryKey(record, record.origin);
      if (seen.has(key) && this.#harmOf(record.origin) === "none") {
        this.broke(`${node} holds ${key} twice`);
      }
      seen.add(key);
    }
  }

  /**
   * Each ledger is in the order of its origin, each client's entries in the order it asked. A node
   * that lost the end of a ledger without noticing is sent it again, and proves nothing.
   */
  #checkOrder(node: string, records: readonly LedgerRecord[]): void {
    if (this.#harmOf(node) !== "none") return;
    const lastOf = new Map<string, LedgerRecord>();
    const requestOf = new Map<string, number>();
    for (const record of records) {
      const last = lastOf.get(record.origin);
      lastOf.set(record.origin, record);
      if (last !== undefined && comparePlaces(record, last) <= 0) {
        this.broke(`${node} holds ${placeText(record)} behind ${placeText(last)}`);
      }
      if (this.#harmOf(record.origin) !== "none") continue;
      const client = `${record.client}@${record.origin}`;
      if (record.request < (requestOf.get(client) ?? 0)) {
        this.broke(`${node} holds request ${record.request} of ${client} behind a later one`);
      }
      requestOf.set(client, record.request);
      if (last !== undefined && record.stampMs < last.stampMs) {
        this.broke(`${record.origin} stamped ${placeText(record)} earlier than the one before`);
      }
    }
  }

  /** Nothing that a client was told is lost, unless the disk lost it; then it is reported. */
  #checkAcknowledged(node: string, records: readonly LedgerRecord[]): void {
    const harm = this.#harmOf(node);
    const { acknowledged, damage } = this.#node(node);
    const found = new Set(
      records.filter(({ origin }) => origin === node).map((record) => entryKey(record, node)),
    );
    const lost = [...acknowledged.keys()].filter((key) => !found.has(key));
    if (lost.length === 0 || harm === "silent") return;
    if (harm === "none") this.broke(`${node} lost ${list(lost)}, which it had acknowledged`);
    else if (damage.size === 0) this.broke(`${node} lost ${list(lost)} and reports no damage`);
  }

  #node(node: string): NodeRecords {
    return this.#nodes.get(node)!;
  }
}

function placesOf(records: readonly LedgerRecord[], origin: string): Set<string> {
  return new Set(records.filter((record) => record.origin === origin).map(placeText));
}

function placeText({ origin, epoch, sequence }: RecordPlace & { readonly origin: string }): string {
  return `${origin}:${epoch}.${sequence}`;
}

/** A few of many. */
function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
