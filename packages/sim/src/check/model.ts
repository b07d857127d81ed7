/**
 * What the objects under test do when clients take turns: the sequential specification against
 * which a concurrent history is judged.
 *
 * All functions are pure. `step` of one operation depends on its key's state alone: keys are
 * judged one by one (a history is linearizable if and only if each object's part of it is).
 *
 * Source: Herlihy & Wing, "Linearizability" (1990), locality theorem; Horn & Kroening, "Faster
 * linearizability checking via P-compositionality" (2015).
 */
export interface Model<State, Operation> {
  /** The state before the first operation on a key. */
  init(): State;
  /**
   * The state after `operation`, or `IMPOSSIBLE` if an operation with that answer cannot happen in
   * `state`. An operation of unknown outcome steps as if it had succeeded.
   */
  step(state: State, operation: Operation): State | typeof IMPOSSIBLE;
  /**
   * Whether the operation is a read: wherever it is possible it changes nothing, except what is
   * known of the state (so that whatever is possible after it, is possible without it).
   */
  isRead(operation: Operation): boolean;
  /** The object the operation works on. */
  key(operation: Operation): string | number;
  /** A primitive that is equal for equal states only: how the search knows a state again. */
  identity(state: State): Primitive;
  /** What a read sees of a state: its value, without versions and the like. */
  content(state: State): Primitive;
  /** The only content with which the operation is possible; `undefined` if there are more. */
  expects(operation: Operation): Content | undefined;
  /**
   * The content that the operation leaves, whatever it finds: `undefined` if it leaves what it
   * finds, `ANY_CONTENT` if it depends.
   */
  leaves(operation: Operation): Content | typeof ANY_CONTENT | undefined;
  /** A few words for people: `write 3`, `read → 4`. */
  describe(operation: Operation): string;
  describeState(state: State): string;
}

export type Primitive = string | number | boolean | null | undefined;

/** One content; a wrapper, for the content itself may be `undefined`. */
export interface Content {
  readonly content: Primitive;
}

/** The answer of `Model.step` for an operation that cannot happen now. */
export const IMPOSSIBLE: unique symbol = Symbol("impossible");

/** The answer of `Model.leaves` for an operation whose effect depends on what it finds. */
export const ANY_CONTENT: unique symbol = Symbol("any content");

/** An operation and the interval in which it took effect, if it did. */
export interface TimedOperation<Operation> {
  readonly process: number;
  readonly operation: Operation;
  /** In any unit that orders events: nanoseconds, or positions in a history. */
  readonly invokedAt: number;
  /**
   * Not before `invokedAt`. `Infinity`: the outcome is unknown, it may take effect at any time
   * after its invocation, or never. Something invoked at this very moment counts as concurrent.
   */
  readonly completedAt: number;
}
