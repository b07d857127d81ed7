import { assert, KvsError } from "@kvs/env";

export interface EveryChoiceOptions {
  /** Runs after which the space is called too large. Default: 1,000,000. */
  readonly runsMax?: number;
  /** Make only the run with these answers: to repeat a failure. */
  readonly replay?: readonly number[];
}

/** Questions of one run. Every run asks the same until an answer differs. */
export interface Choices {
  /** An integer in [0, count), `count` at least 1. The first run answers 0 everywhere. */
  choose(count: number): number;
  /** One of the items, of which there is at least one. */
  pick<T>(items: readonly T[]): T;
  /** False, then true. */
  flag(): boolean;
  /** The items in one of their orders. */
  order<T>(items: readonly T[]): T[];
}

/** Questions one run may ask: no space this deep can be searched. */
export const CHOICES_MAX = 10_000;

/**
 * Runs a body once for every combination of answers to the questions it asks, in lexicographic
 * order: a proof by exhaustion for small worlds.
 *
 * @param body Throws if something is wrong. Deterministic, but for the answers.
 * @returns How many runs that were.
 * @throws {KvsError} `SIM_CHOICE_FAILED` for the first run that throws, with its answers in the
 *   message and its error as `cause`.
 * @throws {KvsError} `SIM_CHOICES_TOO_MANY` if `runsMax` runs were not all.
 *
 * @example
 * ```ts
 * const runs = everyChoice((choices) => {
 *   const items = choices.order(["a", "b", "c"]);
 *   if (choices.flag()) items.pop();
 * });
 * // runs === 12
 * ```
 *
 * Source: the exhaustive generator of TigerBeetle (matklad, "Generate All the Things", 2021).
 */
export function everyChoice(
  body: (choices: Choices) => void,
  options: EveryChoiceOptions = {},
): number {
  const answers = new AnswerSheet(options);
  do {
    answers.begin();
    try {
      body(answers);
    } catch (cause) {
      throw answers.failure(cause);
    }
  } while (answers.advance());
  return answers.runCount;
}

/** `everyChoice` for bodies that wait. One run at a time. */
export async function everyChoiceAsync(
  body: (choices: Choices) => Promise<void>,
  options: EveryChoiceOptions = {},
): Promise<number> {
  const answers = new AnswerSheet(options);
  do {
    answers.begin();
    try {
      await body(answers);
    } catch (cause) {
      throw answers.failure(cause);
    }
  } while (answers.advance());
  return answers.runCount;
}

/** Counts through all answers like an odometer whose wheels appear as they are asked for. */
class AnswerSheet implements Choices {
  readonly #runsMax: number;
  readonly #isReplay: boolean;
  /** Answers of this run; those of the last one with the last question moved on. */
  readonly #answers: number[];
  /** How many answers each question has. In a replay they are learnt as they come. */
  readonly #counts: number[] = [];
  #asked = 0;
  #runCount = 0;

  constructor(options: EveryChoiceOptions) {
    this.#runsMax = options.runsMax ?? 1_000_000;
    assert(this.#runsMax >= 1, "at least one run is made");
    this.#isReplay = options.replay !== undefined;
    this.#answers = [...(options.replay ?? [])];
  }

  get runCount(): number {
    return this.#runCount;
  }

  begin(): void {
    this.#asked = 0;
    this.#runCount++;
  }

  choose(count: number): number {
    assert(Number.isInteger(count) && count >= 1, "a question has at least one answer");
    assert(this.#asked < CHOICES_MAX, "a run asks a bounded number of questions");
    const at = this.#asked++;
    if (at >= this.#answers.length) this.#answers.push(0);
    if (at >= this.#counts.length) this.#counts.push(count);
    assert(this.#counts[at] === count, "the same answers lead to the same questions");
    assert(this.#answers[at]! < count, "a replayed answer fits its question");
    return this.#answers[at]!;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.choose(items.length)]!;
  }

  flag(): boolean {
    return this.choose(2) === 1;
  }

  order<T>(items: readonly T[]): T[] {
    const left = [...items];
    const ordered: T[] = [];
    while (left.length > 0) ordered.push(...left.splice(this.choose(left.length), 1));
    return ordered;
  }

  /** Moves to the next combination. False: that was the last. */
  advance(): boolean {
    if (this.#isReplay) return false;
    assert(this.#asked === this.#answers.length, "the same answers lead to the same questions");
    while (this.#answers.length > 0 && this.#answers.at(-1) === this.#counts.at(-1)! - 1) {
      this.#answers.pop();
      this.#counts.pop();
    }
    if (this.#answers.length === 0) return false;
    this.#answers[this.#answers.length - 1]!++;
    if (this.#runCount < this.#runsMax) return true;
    throw new KvsError(
      "SIM_CHOICES_TOO_MANY",
      `${this.#runsMax} runs were not all: make the world smaller, or raise runsMax`,
      { outcome: "none", details: { runsMax: this.#runsMax } },
    );
  }

  failure(cause: unknown): KvsError<"SIM_CHOICE_FAILED"> {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const replay = JSON.stringify(this.#answers.slice(0, this.#asked));
    return new KvsError(
      "SIM_CHOICE_FAILED",
      `run ${this.#runCount} fails: ${reason}\nrepeat it with { replay: ${replay} }`,
      { outcome: "none", details: { run: this.#runCount }, cause },
    );
  }
}
