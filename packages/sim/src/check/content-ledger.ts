import { ANY_CONTENT, type Model, type Primitive, type TimedOperation } from "./model.ts";

type ContentModel<Operation> = Pick<Model<never, Operation>, "expects" | "leaves">;

const NONE = -1;
const ANY = -2;

/**
 * Counts, for each content of an object, the operations not placed yet that expect it and those
 * that leave it. An operation that need not be placed (unknown outcome) expects nothing.
 */
export class ContentLedger<Operation> {
  readonly #ids = new Map<Primitive, number>();
  readonly #expectedBy: Int32Array;
  readonly #leftBy: Int32Array;
  readonly #expecting: number[] = [];
  readonly #leaving: number[] = [];

  /** Unplaced operations that may leave anything. */
  #unclear = 0;

  constructor(model: ContentModel<Operation>, operations: readonly TimedOperation<Operation>[]) {
    this.#expectedBy = Int32Array.from(operations, ({ operation }) => {
      const expected = model.expects(operation);
      return expected === undefined ? NONE : this.idOf(expected.content);
    });
    this.#leftBy = Int32Array.from(operations, ({ operation }) => {
      const left = model.leaves(operation);
      if (left === ANY_CONTENT) return ANY;
      return left === undefined ? NONE : this.idOf(left.content);
    });
    for (const [id, { completedAt }] of operations.entries()) {
      this.putBack(id, completedAt !== Infinity);
    }
  }

  idOf(content: Primitive): number {
    const known = this.#ids.get(content);
    if (known !== undefined) return known;
    this.#ids.set(content, this.#expecting.length);
    this.#leaving.push(0);
    return this.#expecting.push(0) - 1;
  }

  take(id: number, isRequired: boolean): void {
    this.#count(id, isRequired, -1);
  }

  putBack(id: number, isRequired: boolean): void {
    this.#count(id, isRequired, 1);
  }

  /** Whether an operation that must be placed expects the content, and none can leave it. */
  isMissed(content: number): boolean {
    return this.#expecting[content]! > 0 && this.#leaving[content] === 0 && this.#unclear === 0;
  }

  #count(id: number, isRequired: boolean, change: 1 | -1): void {
    const expected = this.#expectedBy[id]!;
    const left = this.#leftBy[id]!;
    if (expected >= 0 && isRequired) this.#expecting[expected]! += change;
    if (left >= 0) this.#leaving[left]! += change;
    if (left === ANY) this.#unclear += change;
  }
}
