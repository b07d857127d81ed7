/**
 * Keeps the log from being cut while somebody still reads it: a copy under way, for one. Checkpoints
 * ask for `lowest` before they cut.
 */
export class LogHolds {
  readonly #positions = new Set<{ readonly position: number }>();
  /** Sabotage: the log is cut below readers. */
  readonly #isIgnored: boolean;

  constructor(isIgnored = false) {
    this.#isIgnored = isIgnored;
  }

  /** Whether anybody holds the log. */
  get isHeld(): boolean {
    return this.#positions.size > 0;
  }

  /** The log stays from here on; `Infinity` if nobody holds it. */
  get lowest(): number {
    let lowest = Infinity;
    if (this.#isIgnored) return lowest;
    for (const { position } of this.#positions) lowest = Math.min(lowest, position);
    return lowest;
  }

  /**
   * Keeps the log from `position` on.
   *
   * @returns What lets it go. A second call does nothing.
   */
  hold(position: number): () => void {
    const held = { position };
    this.#positions.add(held);
    return () => {
      this.#positions.delete(held);
    };
  }
}
