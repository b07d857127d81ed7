import { assert } from "@kvs/env";
import { type HistoryKey } from "../history.ts";

/**
 * Why one transaction comes before another, as bits of a mask.
 *
 * - `WW`: it wrote the version of a key before the other's.
 * - `WR`: the other read what it wrote.
 * - `RW`: it read the version before the other's (an anti-dependency).
 * - `PROCESS`: the same client did it before.
 * - `REALTIME`: it was answered before the other was asked.
 */
export const WW = 1;
export const WR = 2;
export const RW = 4;
export const PROCESS = 8;
export const REALTIME = 16;

/** One reason, between two transactions given by their place in the list. */
export interface Dependency {
  readonly from: number;
  readonly to: number;
  readonly type: number;
  /** The key it is about; `undefined` for process and real time. */
  readonly key: HistoryKey | undefined;
  /** Whether it comes from reading a range, rather than a key. */
  readonly isPredicate: boolean;
}

/** Dependencies among transactions: of several alike between two transactions the first is kept. */
export class DependencyGraph {
  readonly size: number;
  readonly #edges: Dependency[] = [];
  readonly #out: number[][];
  readonly #known = new Set<number>();

  /** @param size How many transactions there are: fewer than 2^23. */
  constructor(size: number) {
    assert(size < 2 ** 23, "a history of millions of transactions is judged in parts");
    this.size = size;
    this.#out = Array.from({ length: size }, () => []);
  }

  /** Adds a dependency; one of a transaction on itself is none. */
  add(edge: Dependency): void {
    const { from, to, type, isPredicate } = edge;
    if (from === to) return;
    const name = ((from * this.size + to) * 32 + type) * 2 + (isPredicate ? 1 : 0);
    if (this.#known.has(name)) return;
    this.#known.add(name);
    this.#out[from]!.push(this.#edges.length);
    this.#edges.push(edge);
  }

  get edges(): readonly Dependency[] {
    return this.#edges;
  }

  /** The dependencies that begin at a transaction, in the order in which they were added. */
  *from(node: number, mask: number): Generator<Dependency> {
    for (const index of this.#out[node]!) {
      const edge = this.#edges[index]!;
      if ((edge.type & mask) !== 0) yield edge;
    }
  }

  /**
   * Groups transactions that reach each other by dependencies of these types.
   *
   * @returns For each the number of its group; −1 for those that are alone.
   *
   * Source: Tarjan, "Depth-first search and linear graph algorithms" (1972), without recursion.
   */
  components(mask: number): Int32Array {
    const search = new ComponentSearch(this, mask);
    for (let node = 0; node < this.size; node++) search.visit(node);
    return search.componentOf;
  }
}

interface Visit {
  readonly node: number;
  readonly edges: Generator<Dependency>;
}

class ComponentSearch {
  readonly componentOf: Int32Array;
  readonly #graph: DependencyGraph;
  readonly #mask: number;
  readonly #order: Int32Array;
  readonly #low: Int32Array;
  readonly #stack: number[] = [];
  readonly #isOnStack: Uint8Array;
  #next = 1;
  #components = 0;

  constructor(graph: DependencyGraph, mask: number) {
    this.#graph = graph;
    this.#mask = mask;
    this.componentOf = new Int32Array(graph.size).fill(-1);
    this.#order = new Int32Array(graph.size);
    this.#low = new Int32Array(graph.size);
    this.#isOnStack = new Uint8Array(graph.size);
  }

  visit(start: number): void {
    if (this.#order[start] !== 0) return;
    const visits: Visit[] = [this.#enter(start)];
    while (visits.length > 0) {
      const { node, edges } = visits.at(-1)!;
      const step = edges.next();
      if (step.done === true) {
        this.#leave(node);
        visits.pop();
        const parent = visits.at(-1)?.node;
        if (parent !== undefined) this.#lower(parent, this.#low[node]!);
      } else if (this.#order[step.value.to] === 0) {
        visits.push(this.#enter(step.value.to));
      } else if (this.#isOnStack[step.value.to] === 1) {
        this.#lower(node, this.#order[step.value.to]!);
      }
    }
  }

  #enter(node: number): Visit {
    this.#order[node] = this.#next;
    this.#low[node] = this.#next++;
    this.#stack.push(node);
    this.#isOnStack[node] = 1;
    return { node, edges: this.#graph.from(node, this.#mask) };
  }

  #lower(node: number, value: number): void {
    if (value < this.#low[node]!) this.#low[node] = value;
  }

  #leave(root: number): void {
    if (this.#low[root] !== this.#order[root]) return;
    const isAlone = this.#stack.at(-1) === root;
    const component = isAlone ? -1 : this.#components++;
    for (let node = -1; node !== root;) {
      node = this.#stack.pop()!;
      this.#isOnStack[node] = 0;
      this.componentOf[node] = component;
    }
  }
}
