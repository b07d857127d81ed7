import { type Environment, Mutex, isKvsError } from "@kvs/env";
import { type Answer, type Request } from "./message.ts";
import {
  type Entry,
  type LedgerRecord,
  NO_PLACE,
  type RecordPlace,
  comparePlaces,
} from "./record.ts";
import { type LedgerStore } from "./store.ts";
import { type Witness } from "./witness.ts";

/** The last request of one client, so that it is done once however often it arrives. */
interface LastRequest {
  readonly request: number;
  /** `undefined` while it is under way. */
  answer: Answer | undefined;
  readonly waiting: ((answer: Answer) => void)[];
}

/** What a node knows: its own ledger, those of its peers, the register, and its clients. */
export class Journal {
  /** Called after each record of this node's own ledger became durable. */
  onOwnRecord: () => void = () => undefined;
  readonly #environment: Environment;
  readonly #node: string;
  readonly #store: LedgerStore;
  readonly #witness: Witness;
  readonly #own: LedgerRecord[] = [];
  readonly #places = new Map<string, RecordPlace>();
  readonly #clients = new Map<string, LastRequest>();
  readonly #replication = new Map<string, Mutex>();
  readonly #register = new Mutex();
  readonly #mutants: Readonly<Record<"dedupe" | "readUnsynced" | "wallClock", boolean>>;
  #value: string | null = null;
  #unsyncedValue: string | null = null;
  #recordCount = 0;
  #sequence = 0;
  #lastStampMs = 0;

  constructor(environment: Environment, node: string, store: LedgerStore, witness: Witness) {
    this.#environment = environment;
    this.#node = node;
    this.#store = store;
    this.#witness = witness;
    const { hooks } = environment;
    this.#mutants = {
      dedupe: hooks.hasMutant("env.skip-dedupe"),
      readUnsynced: hooks.hasMutant("env.read-unsynced"),
      wallClock: hooks.hasMutant("env.trust-wall-clock"),
    };
    for (const record of store.recovery.records) this.#remember(record);
  }

  /** Durable records, of this node and of its peers. */
  get recordCount(): number {
    return this.#recordCount;
  }

  /** How far this node is with the ledger of `origin`. */
  placeOf(origin: string): RecordPlace {
    return this.#places.get(origin) ?? NO_PLACE;
  }

  /** The first own records behind `place`, at most `most`, and what stands before them. */
  ownAfter(place: RecordPlace, most: number): { previous: RecordPlace; records: LedgerRecord[] } {
    let from = this.#own.length;
    while (from > 0 && comparePlaces(this.#own[from - 1]!, place) > 0) from--;
    const previous = from === 0 ? NO_PLACE : placeIn(this.#own[from - 1]!);
    return { previous, records: this.#own.slice(from, from + most) };
  }

  /** Answers a client, once for each time it asked; a request that was done is not done again. */
  request(
    client: string,
    number: number,
    request: Request,
    answer: (answer: Answer) => void,
  ): void {
    const last = this.#clients.get(client);
    if (last !== undefined && number <= last.request && !this.#mutants.dedupe) {
      this.#environment.hooks.probe("env.request-repeated");
      if (number < last.request) return; // its client gave up on it
      if (last.answer === undefined) last.waiting.push(answer);
      else answer(last.answer);
      return;
    }
    const entry: LastRequest = { request: number, answer: undefined, waiting: [answer] };
    this.#clients.set(client, entry);
    void this.#perform(client, number, request).then((given) => {
      if (given === undefined) return; // nobody knows: the node is about to end
      entry.answer = given;
      const isLast = this.#clients.get(client) === entry;
      if (given.type === "refused" && request.kind === "append" && isLast) {
        if (last === undefined) this.#clients.delete(client); // it may ask again
        else this.#clients.set(client, last);
      }
      for (const tell of entry.waiting) tell(given);
    });
  }

  /**
   * Takes a record of a peer's ledger, if it is the next one. Answers once it is durable. One at a
   * time for each origin: if a record is refused by the disk, none behind it may be kept.
   */
  replicate(previous: RecordPlace, record: LedgerRecord): Promise<void> {
    let turns = this.#replication.get(record.origin);
    if (turns === undefined) this.#replication.set(record.origin, (turns = new Mutex()));
    return turns.run(() => this.#replicateNext(previous, record));
  }

  async #replicateNext(previous: RecordPlace, record: LedgerRecord): Promise<void> {
    const last = this.placeOf(record.origin);
    if (!this.#mutants.dedupe && comparePlaces(record, last) <= 0) return;
    if (comparePlaces(previous, last) > 0) return; // one in between has not arrived
    await this.#store.append(record);
    this.#remember(record);
    this.#witness.kept(this.#node, record);
  }

  async #perform(client: string, number: number, request: Request): Promise<Answer | undefined> {
    try {
      if (request.kind === "append") {
        await this.#keep({ client, request: number, kind: "append", value: request.value });
        return { type: "done", value: null };
      }
      if (request.kind === "read" && this.#mutants.readUnsynced) {
        return { type: "done", value: this.#unsyncedValue };
      }
      return await this.#register.run(async () => this.#onRegister(client, number, request));
    } catch (error) {
      if (!isKvsError(error) || error.outcome !== "none") return undefined;
      return { type: "refused", reason: error.code };
    }
  }

  async #onRegister(
    client: string,
    number: number,
    request: Exclude<Request, { kind: "append" }>,
  ): Promise<Answer> {
    if (request.kind === "read") return { type: "done", value: this.#value };
    if (request.kind === "cas" && request.expected !== this.#value) {
      return { type: "refused", reason: "another value" };
    }
    if (this.#clients.get(client)?.request !== number && !this.#mutants.dedupe) {
      return { type: "refused", reason: "the client asked for something else since" };
    }
    this.#unsyncedValue = request.value;
    await this.#keep({ client, request: number, kind: "set", value: request.value });
    return { type: "done", value: null };
  }

  async #keep(entry: Entry): Promise<void> {
    const wallMs = this.#environment.clock.wallMs();
    const stampMs = this.#mutants.wallClock ? wallMs : Math.max(wallMs, this.#lastStampMs);
    this.#lastStampMs = stampMs;
    const { epoch } = this.#store;
    const sequence = ++this.#sequence;
    const record: LedgerRecord = { ...entry, origin: this.#node, epoch, sequence, stampMs };
    await this.#store.append(record);
    this.#witness.kept(this.#node, record);
    this.#remember(record);
    this.onOwnRecord();
  }

  #remember(record: LedgerRecord): void {
    this.#recordCount++;
    if (comparePlaces(record, this.placeOf(record.origin)) > 0) {
      this.#places.set(record.origin, placeIn(record));
    }
    if (record.origin !== this.#node) return;
    this.#own.push(record);
    this.#lastStampMs = Math.max(this.#lastStampMs, record.stampMs);
    if (record.kind === "set") this.#value = this.#unsyncedValue = record.value;
    const last = this.#clients.get(record.client);
    if (last === undefined || last.request < record.request) {
      const answer: Answer = { type: "done", value: null };
      this.#clients.set(record.client, { request: record.request, answer, waiting: [] });
    }
  }
}

function placeIn({ epoch, sequence }: RecordPlace): RecordPlace {
  return { epoch, sequence };
}
