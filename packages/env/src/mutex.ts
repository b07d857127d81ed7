import { assert } from "./assert.ts";

/** Mutual exclusion across awaits, first come, first served. */
export class Mutex {
  readonly #waiting: (() => void)[] = [];
  #isHeld = false;

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Runs `body` while nobody else runs one on this mutex; passes on what it returns or throws. */
  async run<T>(body: () => Promise<T> | T): Promise<T> {
    await this.#acquire();
    try {
      return await body();
    } finally {
      this.#release();
    }
  }

  #acquire(): Promise<void> | undefined {
    if (!this.#isHeld) {
      this.#isHeld = true;
      return undefined;
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #release(): void {
    assert(this.#isHeld, "only a held mutex is released");
    const next = this.#waiting.shift();
    if (next === undefined) this.#isHeld = false;
    else next(); // ownership passes on directly: nobody can slip in between
  }
}
