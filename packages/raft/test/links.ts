import { type Random } from "@kvs/env";

/** Which pairs of nodes cannot talk, each way on its own. */
export class Links {
  readonly #cuts = new Set<string>();

  isCut(way: { readonly from: number; readonly to: number }): boolean {
    return this.#cuts.has(`${way.from}>${way.to}`);
  }

  clear(): void {
    this.#cuts.clear();
  }

  /** Two sides that cannot talk, or of which one cannot hear the other. */
  partition(random: Random, ids: readonly number[]): void {
    this.clear();
    const side = new Set(ids.filter(() => random.chance(0.5)));
    const isOneWay = random.chance(0.3);
    for (const from of ids) {
      for (const to of ids) {
        if (side.has(from) === side.has(to)) continue;
        if (isOneWay && side.has(from)) continue;
        this.#cuts.add(`${from}>${to}`);
      }
    }
  }

  /** One node that cannot talk to anybody. */
  isolate(lonely: number, ids: readonly number[]): void {
    this.clear();
    for (const id of ids) {
      this.#cuts.add(`${id}>${lonely}`);
      this.#cuts.add(`${lonely}>${id}`);
    }
  }
}
