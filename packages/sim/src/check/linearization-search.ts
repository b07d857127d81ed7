import { ConfigurationMemo, spread } from "./configuration-memo.ts";
import { EventList } from "./event-list.ts";
import { ContentLedger } from "./content-ledger.ts";
import { IMPOSSIBLE, type Model, type Primitive, type TimedOperation } from "./model.ts";

/**
 * A search for one order of one object's operations that explains every answer.
 *
 * A configuration is the set of operations placed so far and the state they lead to. Any operation
 * that was invoked before the first return of an unplaced one may be placed next. The search goes
 * depth first and never enters a configuration twice. Operations of unknown outcome may be placed,
 * or left out for good.
 *
 * Four rules keep the search short; each leaves at least one order to be found if one exists.
 * Let an order be thrifty if no other uses fewer operations of unknown outcome.
 *
 * 1. Operations of unknown outcome are tried last: leaving them out is never worse.
 * 2. If an operation of unknown outcome and its successor lead to the state to which the successor
 *    alone would have led, the order is not thrifty: do not go there.
 * 3. If an answered read is possible and leaves the state as it is, it may as well come now: should
 *    the search fail behind it, it fails here too, and the alternatives need not be tried. (Such a
 *    placement is called forced. A write that happens to change nothing here may do so elsewhere.)
 * 4. A content that an answered operation still has to meet, and that no operation can bring back,
 *    is not left behind: no configuration beyond has a way to the end. With unique values this
 *    decides nearly every order of concurrent writes.
 *
 * Memo: a word for the state, two for the window, then the bits of the window: the words of the
 * set of answered operations from the first hole to the last operation placed. Its size depends on
 * the concurrency, not on the length of the history. Then the bits of the unknown ones.
 *
 * Source: Wing & Gong, "Testing and verifying concurrent objects" (1993); the memo is from Lowe,
 * "Testing for linearizability" (2017).
 */
export class LinearizationSearch<State, Operation> {
  readonly #model: Model<State, Operation>;
  readonly #operations: readonly TimedOperation<Operation>[];
  readonly #stepsMax: number;
  readonly #states: State[] = [];
  readonly #stateIds = new Map<Primitive, number>();
  readonly #contents: ContentLedger<Operation>;
  /** The content of each state, by their ids. */
  readonly #contentOfState: number[] = [];
  readonly #events: EventList;
  readonly #requiredBits: Uint32Array;
  readonly #optionalBits: Uint32Array;
  readonly #words: Uint32Array;
  readonly #memo = new ConfigurationMemo();
  readonly #path: Placement[] = [];
  #state: number;
  #hash = 0;
  #steps = 0;
  #isTryingOptional = false;
  #cursor: number;
  /** Rank up to which the cursor may go among the optional calls: that of the first return. */
  #limit = -1;

  /**
   * @param operations On one key, in any order.
   * @param stepsMax Model steps until the search gives up.
   */
  constructor(
    model: Model<State, Operation>,
    operations: readonly TimedOperation<Operation>[],
    stepsMax: number,
  ) {
    this.#model = model;
    this.#stepsMax = stepsMax;
    const sorted = operations.toSorted((a, b) => a.invokedAt - b.invokedAt);
    const required = sorted.filter((operation) => operation.completedAt !== Infinity);
    const optional = sorted.filter((operation) => operation.completedAt === Infinity);
    this.#operations = [...required, ...optional];
    this.#contents = new ContentLedger(model, this.#operations);
    this.#events = new EventList(required, optional);
    this.#requiredBits = new Uint32Array((required.length + 31) >>> 5);
    this.#optionalBits = new Uint32Array((optional.length + 31) >>> 5);
    this.#words = new Uint32Array(3 + this.#requiredBits.length + this.#optionalBits.length);
    this.#cursor = this.#events.firstRequired;
    this.#state = this.#stateId(model.init());
  }

  /** Model steps taken. */
  get steps(): number {
    return this.#steps;
  }

  /** The operations placed, in order: after `linearizable`, an order that explains all answers. */
  get order(): TimedOperation<Operation>[] {
    return this.#path.map(({ id }) => this.#operations[id]!);
  }

  /** The state after `order`. */
  get state(): State {
    return this.#states[this.#state]!;
  }

  /** Searches. Call it once. */
  run(): SearchVerdict {
    while (this.#events.firstRequired !== this.#events.requiredEnd) {
      const id = this.#nextCandidate();
      if (id !== -1 && this.#steps >= this.#stepsMax) return "unknown";
      const outcome = id === -1 ? "hopeless" : this.#tryPlacing(id);
      if (outcome === "full") return "unknown";
      if (outcome === "hopeless" && !this.#backtrack()) return "violation";
    }
    return "linearizable";
  }

  /** The next operation that may be placed in this configuration, or -1 after the last. */
  #nextCandidate(): number {
    const events = this.#events;
    if (!this.#isTryingOptional) {
      const event = this.#cursor;
      if ((event & 1) === 0) {
        this.#cursor = events.nextRequired(event);
        return event >>> 1;
      }
      this.#isTryingOptional = true;
      this.#limit = events.rank(event);
      this.#cursor = events.firstOptional;
    }
    const call = this.#cursor;
    if (call === events.optionalEnd || events.optionalRank(call) > this.#limit) return -1;
    this.#cursor = events.nextOptional(call);
    return events.requiredCount + call;
  }

  /**
   * Places the operation if that leads to a new configuration.
   *
   * @returns `hopeless` if it leads to one that failed before and takes this one with it (rule 3).
   */
  #tryPlacing(id: number): "placed" | "passed" | "hopeless" | "full" {
    const after = this.#step(this.#state, id);
    if (after === -1 || !this.#isThrifty(id, after)) return "passed";
    const isForced = after === this.#state && this.#model.isRead(this.#operations[id]!.operation);
    const isDoomed = this.#place(id, after, isForced);
    if (isDoomed) {
      this.#undo();
      return "passed";
    }
    const remembered = this.#remember();
    if (remembered === "added") {
      this.#restartCursor();
      return "placed";
    }
    this.#undo();
    if (remembered === "full") return "full";
    return isForced ? "hopeless" : "passed";
  }

  /** Rule 2: whether neither this operation nor the one before it could as well be left out. */
  #isThrifty(id: number, after: number): boolean {
    if (this.#isOptional(id) && after === this.#state) return false;
    const last = this.#path.at(-1);
    if (last === undefined || !this.#isOptional(last.id)) return true;
    return this.#step(last.stateBefore, id) !== after;
  }

  /** Returns whether that leaves behind a content that is still needed (rule 4). */
  #place(id: number, after: number, isForced: boolean): boolean {
    const highest = this.#path.at(-1)?.highest ?? -1;
    const before = this.#state;
    this.#flip(id);
    this.#contents.take(id, !this.#isOptional(id));
    if (this.#isOptional(id)) {
      this.#path.push({ id, stateBefore: before, isForced, highest });
      this.#events.takeOptional(id - this.#events.requiredCount);
    } else {
      this.#path.push({ id, stateBefore: before, isForced, highest: Math.max(highest, id) });
      this.#events.takeRequired(id);
    }
    this.#state = after;
    const left = this.#contentOfState[before]!;
    return left !== this.#contentOfState[after] && this.#contents.isMissed(left);
  }

  #isOptional(id: number): boolean {
    return id >= this.#events.requiredCount;
  }

  /** Undoes the last placement that had alternatives. False: there is none. */
  #backtrack(): boolean {
    while (this.#path.length > 0) {
      if (!this.#undo()) return true;
    }
    return false;
  }

  /** Undoes the last placement and returns whether it was forced. */
  #undo(): boolean {
    const { id, stateBefore, isForced } = this.#path.pop()!;
    this.#flip(id);
    this.#contents.putBack(id, !this.#isOptional(id));
    this.#state = stateBefore;
    this.#isTryingOptional = this.#isOptional(id);
    if (this.#isTryingOptional) {
      const call = id - this.#events.requiredCount;
      this.#events.putBackOptional(call);
      this.#cursor = this.#events.nextOptional(call);
      this.#limit = this.#events.rank(this.#events.firstReturn());
    } else {
      this.#events.putBackRequired(id);
      this.#cursor = this.#events.nextRequired(2 * id);
    }
    return isForced;
  }

  #restartCursor(): void {
    this.#isTryingOptional = false;
    this.#cursor = this.#events.firstRequired;
  }

  /** Adds or removes an operation in the set of those placed, and in its hash. */
  #flip(id: number): void {
    const isOptional = this.#isOptional(id);
    const bits = isOptional ? this.#optionalBits : this.#requiredBits;
    const bit = isOptional ? id - this.#events.requiredCount : id;
    bits[bit >>> 5]! ^= 1 << (bit & 31);
    this.#hash ^= spread(id + 1);
  }

  #remember(): "added" | "known" | "full" {
    const highest = this.#path.at(-1)?.highest ?? -1;
    const from = this.#events.firstRequired >>> 6; // two events an operation, 32 operations a word
    const to = (highest + 32) >>> 5;
    const words = this.#words;
    words[0] = this.#state;
    words[1] = from;
    let length = 2;
    for (let word = from; word < to; word++) words[length++] = this.#requiredBits[word]!;
    words[length++] = to;
    for (const word of this.#optionalBits) words[length++] = word;
    return this.#memo.add(this.#hash ^ spread(this.#state + 0x9e3779b9), words, length);
  }

  /** The id of the state after an operation, or -1 if it is impossible. */
  #step(stateId: number, id: number): number {
    this.#steps++;
    const after = this.#model.step(this.#states[stateId]!, this.#operations[id]!.operation);
    return after === IMPOSSIBLE ? -1 : this.#stateId(after);
  }

  #stateId(state: State): number {
    const identity = this.#model.identity(state);
    const known = this.#stateIds.get(identity);
    if (known !== undefined) return known;
    this.#states.push(state);
    this.#stateIds.set(identity, this.#states.length - 1);
    this.#contentOfState.push(this.#contents.idOf(this.#model.content(state)));
    return this.#states.length - 1;
  }
}

export type SearchVerdict = "linearizable" | "violation" | "unknown";

interface Placement {
  readonly id: number;
  readonly stateBefore: number;
  readonly isForced: boolean;
  /** The highest id of an answered operation placed so far; -1 if there is none. */
  readonly highest: number;
}
