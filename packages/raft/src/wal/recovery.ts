/**
 * Reads the shared log once, from its head, and tells for each group where its entries stand.
 *
 * 1. An identity counts once its payloads follow. One whose payloads do not follow was never
 *    acknowledged: a crash came between the two.
 * 2. An identity whose payloads are there and damaged counts, and its entries are damaged. The scan
 *    goes on behind them: the identity tells how long they are.
 * 3. Any other damage is an error of the whole log: nobody knows which group it was, or whether it was
 *    a vote.
 *
 * Memory: the indexes, and what one read of the log brings.
 */
import { isKvsError } from "@kvs/env";
import { type Wal, type WalReader, type WalRecord } from "@kvs/wal";

import { type GroupId } from "../core/ids.ts";
import { GroupIndex, type Placement } from "./group-index.ts";
import { decodeRecord, type EntriesIdentity, type LogRecord } from "./log-record.ts";
import { type LogSabotage } from "./sabotage.ts";

/** @throws {KvsError} `RAFT_LOG_DAMAGED`, `WAL_DAMAGED` and others of the log. */
export async function recoverGroups(
  wal: Wal,
  sabotage: LogSabotage,
): Promise<Map<GroupId, GroupIndex>> {
  const recovery = new Recovery(sabotage);
  let reader = wal.scan();
  for (;;) {
    const batch = await nextBatch(reader, recovery);
    if (batch === "damaged") {
      const { lsn, identity } = recovery.awaited!;
      const end = wal.endOfNext(lsn, identity.payloadsBytes);
      if (sabotage["raft.log.damage-ends-log"]) break;
      recovery.loseAwaited();
      if (end >= wal.durableLsn) break;
      reader = wal.scan(end);
    } else if (batch === undefined) {
      break;
    } else {
      for (const record of batch) recovery.take(record);
    }
  }
  recovery.finish();
  return recovery.groups;
}

/** The next records; "damaged" if the payloads that are awaited are. */
async function nextBatch(
  reader: WalReader,
  recovery: Recovery,
): Promise<readonly WalRecord[] | "damaged" | undefined> {
  try {
    return await reader.nextBatch();
  } catch (error) {
    const isLost = recovery.awaited?.lsn === reader.position;
    if (!isLost || !isKvsError(error, "WAL_DAMAGED", "WAL_NOT_AUTHENTIC")) throw error;
    return "damaged";
  }
}

/** An identity whose payloads are the next record. */
interface Awaited {
  readonly identity: EntriesIdentity;
  readonly position: number;
  readonly lsn: number;
}

class Recovery {
  readonly groups: Map<GroupId, GroupIndex> = new Map();
  readonly #sabotage: LogSabotage;
  awaited: Awaited | undefined;

  constructor(sabotage: LogSabotage) {
    this.#sabotage = sabotage;
  }

  take({ kind, payload, start, lsn }: WalRecord): void {
    const record = decodeRecord(kind, payload);
    const { awaited } = this;
    this.awaited = undefined;
    if (record.type === "payloads") {
      const isAwaited =
        awaited !== undefined &&
        awaited.identity.group === record.group &&
        awaited.identity.firstIndex === record.firstIndex;
      if (isAwaited) this.#place(awaited, start, false); // else its identity was pruned
      return;
    }
    if (awaited !== undefined) this.#forgetTorn(awaited);
    if (record.type === "entries") this.#takeIdentity(record, start, lsn);
    else this.#takeOther(record, start);
  }

  /** Rule 2: the payloads that are awaited are damaged. */
  loseAwaited(): void {
    this.#place(this.awaited!, this.awaited!.lsn, true);
    this.awaited = undefined;
  }

  finish(): void {
    if (this.awaited !== undefined) this.#forgetTorn(this.awaited);
    this.awaited = undefined;
  }

  /** Rule 1. */
  #forgetTorn(awaited: Awaited): void {
    if (this.#sabotage["raft.log.keep-torn-entries"]) this.#place(awaited, awaited.lsn, true);
  }

  #takeIdentity(identity: EntriesIdentity, position: number, lsn: number): void {
    const awaited = { identity, position, lsn };
    if (identity.payloadsBytes > 0) this.awaited = awaited;
    else this.#place(awaited, position, false);
  }

  #takeOther(record: Exclude<LogRecord, EntriesIdentity>, position: number): void {
    const { group } = record;
    if (record.type === "dropped") {
      this.groups.delete(group);
      return;
    }
    const index = this.#indexOf(group);
    if (record.type === "hard-state") index.setHardState(record.hardState, position);
    else if (record.type === "cut") index.cut(record.from);
    else if (record.type === "base") index.rebase(record.newBase, position);
  }

  #place({ identity, position }: Awaited, payloadsStart: number, isDamaged: boolean): void {
    const { kind, term, firstIndex, count, payloadsBytes, inline } = identity;
    const placement: Placement = {
      kind,
      term,
      firstIndex,
      lastIndex: firstIndex + count - 1,
      recordIndex: firstIndex,
      position,
      payloadsStart,
      payloadsBytes,
      inline,
      isDamaged,
    };
    const index = this.#indexOf(identity.group);
    if (identity.isRepair) index.repair(placement);
    else index.append(placement);
  }

  #indexOf(group: GroupId): GroupIndex {
    let index = this.groups.get(group);
    if (index === undefined) this.groups.set(group, (index = new GroupIndex()));
    return index;
  }
}
