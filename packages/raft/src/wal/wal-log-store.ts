/**
 * The logs of many groups in one `@kvs/wal` log: one sync serves them all.
 *
 * Each group claims the records that it needs, from its oldest entry, base and hard state on. `prune`
 * writes the small ones of idle groups again and lets go of what nobody claims.
 *
 * Invariant: what a claim is moved past is durable at a later position. So `prune` computes the claims,
 * syncs, and only then moves them: a vote that was written meanwhile is not durable yet, and the
 * one before it must not go (REL-R1).
 */
import { assert, type Environment, Mutex } from "@kvs/env";
import { Wal, type WalOptions, type WalRetention } from "@kvs/wal";

import { type ConfigurationInput, toConfiguration } from "../core/configuration.ts";
import { type Payloads } from "../core/entry.ts";
import { type GroupId, isId, NOBODY } from "../core/ids.ts";
import { readMutants } from "../core/read-mutants.ts";
import { type LogWrite } from "../store/group-log.ts";
import { GroupIndex, type Placement } from "./group-index.ts";
import { logClosed } from "./log-error.ts";
import { decodePayloadsRecord } from "./log-record.ts";
import { PayloadCache } from "./payload-cache.ts";
import { recoverGroups } from "./recovery.ts";
import { LOG_MUTANTS, type LogSabotage } from "./sabotage.ts";
import { RecordWriter } from "./record-writer.ts";
import { WalGroupLog } from "./wal-group-log.ts";

/** Entries that were read back are kept up to here: a few messages for each of many peers. */
const READ_CACHE_BYTES: number = 16 << 20;

export interface WalLogStoreOptions {
  /** The log's directory; made if absent. */
  readonly path: string;
  /** Default: that of `WalOptions`. */
  readonly segmentBytes?: number;
  /** Memory for entries that were read back. Default 16 MiB. */
  readonly readCacheBytes?: number;
  /** Seals all records. Default: they are not sealed. */
  readonly keys?: WalOptions["keys"];
}

interface Group {
  readonly index: GroupIndex;
  readonly retention: WalRetention;
  log: WalGroupLog | undefined;
}

export class WalLogStore implements AsyncDisposable {
  readonly #wal: Wal;
  readonly #writer: RecordWriter;
  readonly #cache: PayloadCache;
  readonly #sabotage: LogSabotage;
  readonly #groups: Map<GroupId, Group> = new Map();
  readonly #pruning = new Mutex();
  #isClosed = false;

  private constructor(wal: Wal, readCacheBytes: number, sabotage: LogSabotage) {
    this.#wal = wal;
    this.#sabotage = sabotage;
    this.#writer = new RecordWriter(wal, sabotage);
    this.#cache = new PayloadCache(readCacheBytes);
  }

  /**
   * Opens the log, or makes an empty one, and reads it once.
   *
   * @throws {KvsError} `RAFT_LOG_DAMAGED`, and as `Wal.open`. A payload that is damaged is no error:
   *   its group tells in `image().damaged`.
   */
  static async open(environment: Environment, options: WalLogStoreOptions): Promise<WalLogStore> {
    const { path, segmentBytes, keys } = options;
    const sabotage = readMutants(LOG_MUTANTS, (name) => environment.hooks.hasMutant(name));
    const wal = await Wal.open(environment, {
      path,
      ...(segmentBytes !== undefined && { segmentBytes }),
      ...(keys !== undefined && { keys }),
    });
    const store = new WalLogStore(wal, options.readCacheBytes ?? READ_CACHE_BYTES, sabotage);
    try {
      for (const [group, index] of await recoverGroups(wal, sabotage)) store.#adopt(group, index);
    } catch (error) {
      await wal.close();
      throw error;
    }
    return store;
  }

  /** The groups that have a log here, ascending. */
  groups(): GroupId[] {
    return [...this.#groups.keys()].toSorted((left, right) => left - right);
  }

  /** Positions of the log, for measures: where it begins, and where it ends. */
  get extent(): { readonly head: number; readonly end: number } {
    return { head: this.#wal.headPosition, end: this.#wal.endLsn };
  }

  /**
   * The log of a group. Call it once for each.
   *
   * @param founders If the group has no log here: the members that all its founders are told; none,
   *   the default: it waits to be invited. That it exists is durable when this resolves.
   * @throws {KvsError} `RAFT_LOG_CLOSED`, and as `Wal.sync`.
   */
  async group(
    group: GroupId,
    founders: ConfigurationInput = { incoming: [] },
  ): Promise<WalGroupLog> {
    assert(isId(group), "a group id is an integer in [1, 2^53)");
    if (this.#isClosed) throw logClosed();
    let found = this.#groups.get(group);
    const isNew = found === undefined;
    if (found === undefined) {
      const index = new GroupIndex();
      this.#found(group, index, founders);
      found = {
        index,
        retention: this.#wal.retain(nameOf(group), this.#wal.headPosition),
        log: undefined,
      };
      this.#groups.set(group, found);
    }
    assert(found.log === undefined, "the log of a group is handed out once");
    found.log = this.#logOf(group, found.index);
    if (isNew) await this.#wal.sync();
    return found.log;
  }

  /** Forgets a group: its replica was removed. Durable when this resolves. Nobody uses its log. */
  async drop(group: GroupId): Promise<void> {
    if (this.#isClosed) throw logClosed();
    const found = this.#groups.get(group);
    if (found === undefined) return;
    this.#writer.dropped(group);
    this.#groups.delete(group);
    await this.#wal.sync();
    found.retention.release();
  }

  /**
   * Gives back the space of what no group needs any more. Call it after compacting, and now and then.
   *
   * @throws {KvsError} as `Wal.sync` and `Wal.truncateBefore`.
   */
  prune(): Promise<void> {
    if (this.#isClosed) return Promise.reject(logClosed());
    return this.#pruning.run(() => this.#prune());
  }

  /** Makes everything durable and closes the files. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#wal.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #logOf(group: GroupId, index: GroupIndex): WalGroupLog {
    return new WalGroupLog(group, index, {
      write: (id, of, write: LogWrite) => this.#writer.write(id, of, write),
      sync: () => this.#sync(),
      cached: (placement) => this.#cache.get(placement.payloadsStart),
      load: (placement) => this.#load(placement),
    });
  }

  async #sync(): Promise<void> {
    if (this.#sabotage["raft.log.ack-before-sync"]) return;
    await this.#wal.sync();
  }

  async #load({ payloadsStart }: Placement): Promise<void> {
    const { payload } = await this.#wal.read(payloadsStart);
    const payloads: Payloads = decodePayloadsRecord(payload);
    this.#cache.set(payloadsStart, payloads);
  }

  #found(group: GroupId, index: GroupIndex, founders: ConfigurationInput): void {
    const point = { index: 0, term: 0, configuration: toConfiguration(founders) };
    this.#writer.hardState(group, index, { term: 0, votedFor: NOBODY, commitIndex: 0 });
    this.#writer.base(group, index, { point, keepsSuffix: true });
  }

  #adopt(group: GroupId, index: GroupIndex): void {
    if (index.isUnborn) return;
    index.image(); // throws if anything of it is missing
    const retention = this.#wal.retain(
      nameOf(group),
      Math.min(index.neededFrom, this.#wal.durableLsn),
    );
    this.#groups.set(group, { index, retention, log: undefined });
  }

  async #prune(): Promise<void> {
    let target = this.#wal.endLsn as number;
    for (const { index } of this.#groups.values()) target = Math.min(target, index.entriesFrom);
    const { segmentBytes } = this.#wal.stats();
    if (target - this.#wal.headPosition < segmentBytes) return; // no segment would go
    // Groups without old entries still have old votes: they would pin what everybody else let go.
    for (const [group, { index }] of this.#groups) {
      if (index.neededFrom < target) this.#renew(group, index);
    }
    const claims: [WalRetention, number][] = [];
    for (const { index, retention } of this.#groups.values()) {
      claims.push([retention, this.#claimOf(index)]);
    }
    if (!this.#sabotage["raft.log.prune-before-sync"]) await this.#wal.sync();
    for (const [retention, position] of claims) {
      retention.position = Math.min(position, this.#wal.durableLsn);
    }
    await this.#wal.truncateBefore();
  }

  /** Writes base and hard state once more, behind all that is to go. */
  #renew(group: GroupId, index: GroupIndex): void {
    const { hardState, base } = index;
    assert(hardState !== undefined, "a group has a hard state");
    if (!this.#sabotage["raft.log.prune-forgets-vote"])
      this.#writer.hardState(group, index, hardState);
    this.#writer.base(group, index, { point: base, keepsSuffix: true });
  }

  #claimOf(index: GroupIndex): number {
    return this.#sabotage["raft.log.prune-forgets-vote"] ? index.entriesFrom : index.neededFrom;
  }
}

function nameOf(group: GroupId): string {
  return `raft/${group}`;
}
