import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from "@kvs/codec";
import { type Clock, type Random, type TestHooks, KvsError, isKvsError, sleep } from "@kvs/env";
import { type CommitPipe } from "../commit-pipe.ts";
import { type Mutation, encodeBatch } from "../batch-format.ts";
import { type TransactionSource } from "./transaction-context.ts";

/** Pause before a participant that did not answer is told again; it doubles up to the most. */
const RETRY_MS_FIRST = 20;
const RETRY_MS_MAX = 2000;

/** One that takes part in a transaction with others: a store, or a session with one. */
export interface Participant {
  /** By which it is found again after a restart of the coordinator. */
  readonly name: string;
  /** Makes its part ready to be committed, for certain and durably. */
  prepare(globalId: string, coordinator: string): Promise<void>;
  /** Both are repeated until they answer; repeating changes nothing. */
  commit(globalId: string): Promise<unknown>;
  rollback(globalId: string): Promise<unknown>;
  /** Nobody will ask about this id again. */
  forget(globalId: string): Promise<void>;
}

export interface TwoPhaseCommitParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly hooks: TestHooks;
  /** Its name, for people who find something in doubt. */
  readonly name: string;
  /** Where its decisions are kept, and in which tree. */
  readonly source: TransactionSource;
  readonly pipe: CommitPipe;
  readonly tree: number;
  /** Finds participants again after a restart. */
  readonly participant: (name: string) => Participant;
}

/** What the coordinator says of an id. */
export type Decision = "committed" | "rolled-back" | "undecided";

/**
 * Commits a transaction that several stores take part in: all of them, or none.
 *
 * 1. Every participant prepares. If one cannot, all roll back, and nothing is recorded.
 * 2. That all have is the decision, a record in the coordinator's own store. The transaction is
 *    committed when this is durable, whoever knows of it.
 * 3. The participants are told until each has answered. Only then the record goes.
 *
 * So an id without a record was rolled back, or every participant has committed it already: whoever is
 * still in doubt can roll back (presumed abort). While it is not decided the answer is "undecided".
 *
 * Source: Mohan, Lindsay & Obermarck, "Transaction Management in the R* Distributed Database Management
 * System" (1986), presumed abort.
 */
export class TwoPhaseCommit {
  readonly #parts: TwoPhaseCommitParts;
  readonly #active = new Set<string>();
  readonly #telling = new Set<Promise<void>>();
  readonly #decidesLate: boolean;
  #isStopped = false;

  constructor(parts: TwoPhaseCommitParts) {
    this.#parts = parts;
    this.#decidesLate = parts.hooks.hasMutant("txn.decide-before-durable");
  }

  /**
   * Commits the transaction with this id at all participants.
   *
   * @param globalId Never used before.
   * @throws {KvsError} What kept a participant from preparing (outcome none): all roll back.
   *   `outcome` "unknown" if nobody can tell whether the decision is durable.
   */
  async run(globalId: string, participants: readonly Participant[]): Promise<void> {
    this.#active.add(globalId);
    const prepared = await Promise.allSettled(
      participants.map((participant) => participant.prepare(globalId, this.#parts.name)),
    );
    const failed = prepared.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      this.#active.delete(globalId);
      this.#tell(globalId, participants, "rollback");
      throw failed.reason;
    }
    await this.#decide(globalId, participants);
    this.#active.delete(globalId);
    this.#tell(globalId, participants, "commit");
  }

  /** What is decided about an id: for a participant that is in doubt. */
  async decision(globalId: string): Promise<Decision> {
    if (this.#active.has(globalId)) return "undecided";
    const { source, tree } = this.#parts;
    const found = await source.read(encodeUtf8(globalId), { tree });
    return found === undefined ? "rolled-back" : "committed";
  }

  /** Goes on with what was decided before a restart. Call it before `run` and `decision`. */
  async resume(): Promise<void> {
    const { source, tree, participant } = this.#parts;
    for await (const batch of source.scanBatches({ tree })) {
      for (let index = 0; index < batch.count; index++) {
        const names = decodeNames(batch.value(index));
        const globalId = decodeUtf8(batch.key(index));
        this.#tell(globalId, names.map(participant), "commit");
      }
    }
  }

  /** Waits until everybody has been told, or `stop` was called. */
  async settled(): Promise<void> {
    while (this.#telling.size > 0) await Promise.all(this.#telling);
  }

  /** Tells nobody any more: after a restart `resume` goes on. */
  stop(): void {
    this.#isStopped = true;
  }

  async #decide(globalId: string, participants: readonly Participant[]): Promise<void> {
    const { pipe, tree } = this.#parts;
    const value = encodeNames(participants.map(({ name }) => name));
    const written = pipe.propose(batchOf({ type: "put", tree, key: encodeUtf8(globalId), value }));
    if (this.#decidesLate) return void written.catch(() => undefined);
    try {
      await written;
    } catch (error) {
      if (!isKvsError(error) || error.outcome === "none") {
        this.#active.delete(globalId);
        this.#tell(globalId, participants, "rollback");
        throw error;
      }
      const { code, message, details } = error; // it stays undecided until the next `resume`
      throw new KvsError(code, message, { outcome: "unknown", details, cause: error });
    }
  }

  #tell(globalId: string, participants: readonly Participant[], what: "commit" | "rollback"): void {
    const telling = this.#tellAll(globalId, participants, what).finally(() =>
      this.#telling.delete(telling),
    );
    this.#telling.add(telling);
  }

  async #tellAll(
    globalId: string,
    participants: readonly Participant[],
    what: "commit" | "rollback",
  ): Promise<void> {
    await Promise.all(participants.map((one) => this.#repeat(() => one[what](globalId))));
    if (this.#isStopped) return;
    if (what === "commit") {
      const { pipe, tree } = this.#parts;
      await this.#repeat(() =>
        pipe.propose(batchOf({ type: "delete", tree, key: encodeUtf8(globalId) })),
      );
    }
    if (this.#isStopped) return;
    await Promise.all(participants.map((one) => this.#repeat(() => one.forget(globalId))));
  }

  /** Calls until it answers, or what it answers is final. */
  async #repeat(call: () => Promise<unknown>): Promise<void> {
    const { clock, random } = this.#parts;
    for (let pauseMs = RETRY_MS_FIRST; !this.#isStopped;) {
      try {
        await call();
        return;
      } catch (error) {
        if (isKvsError(error, "TXN_UNKNOWN_PREPARED")) return; // it has forgotten, or never knew
        await sleep(clock, pauseMs * (0.5 + random.nextFloat()));
        pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX);
      }
    }
  }
}

function batchOf(mutation: Mutation): Uint8Array {
  const writer = new ByteWriter();
  encodeBatch(writer, [mutation]);
  return writer.toBytes();
}

function encodeNames(names: readonly string[]): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(names.length);
  for (const name of names) writer.varBytes(encodeUtf8(name));
  return writer.toBytes();
}

function decodeNames(bytes: Uint8Array): string[] {
  const reader = new ByteReader(bytes);
  return Array.from({ length: reader.varint() }, () => decodeUtf8(reader.varBytes()));
}
