import {
  type Dependency,
  type DependencyGraph,
  PROCESS,
  REALTIME,
  RW,
  WR,
  WW,
} from "./dependency-graph.ts";

/** Searches for one kind of cycle at most: each is a walk through one group of transactions. */
const SEARCHES_MAX = 2000;

/** What a cycle has to be like. */
interface CycleKind {
  /** Types of dependencies that it may have. */
  readonly mask: number;
  /** One that it must have: the search begins there. */
  readonly first: number;
  /** How anti-dependencies may follow each other. */
  readonly anti: "none" | "one" | "apart" | "adjacent";
}

const DATA_KINDS: readonly CycleKind[] = [
  { mask: WW, first: WW, anti: "none" },
  { mask: WW | WR, first: WR, anti: "none" },
  { mask: WW | WR | RW, first: RW, anti: "one" },
  { mask: WW | WR | RW, first: RW, anti: "apart" },
  { mask: WW | WR | RW, first: RW, anti: "adjacent" },
];

/**
 * Finds the smallest cycle of each kind: writes alone, with reads, with one anti-dependency, with
 * several apart from each other, with two next to each other. Then the same with the order of each
 * client, and with real time, where the kind was not found without.
 *
 * Cost: linear if there is no cycle. Else a breadth-first search from each dependency that may begin
 * one, within the group of transactions that reach each other; of more than `SEARCHES_MAX` such
 * dependencies the first are tried, so that a cycle is found, but perhaps not the smallest.
 */
export function findCycles(graph: DependencyGraph): Dependency[][] {
  const cycles: Dependency[][] = [];
  const found = new Set<CycleKind>();
  for (const order of [0, PROCESS, PROCESS | REALTIME]) {
    for (const kind of DATA_KINDS) {
      if (found.has(kind)) continue;
      const cycle = new CycleSearch(graph, { ...kind, mask: kind.mask | order }).run();
      if (cycle === undefined) continue;
      found.add(kind);
      cycles.push(cycle);
    }
  }
  return cycles;
}

/** A state of the search: where it is, and what the way there was like. */
const STATES = 8;
const LAST_IS_ANTI = 1;
const HAS_SECOND = 2;
const HAS_ADJACENT = 4;

class CycleSearch {
  readonly #graph: DependencyGraph;
  readonly #kind: CycleKind;
  /** By state: the dependency that led there and the state before; −1 if it was not reached. */
  readonly #cameFrom: Int32Array;
  readonly #cameBy: (Dependency | undefined)[] = [];
  #best: Dependency[] | undefined;

  constructor(graph: DependencyGraph, kind: CycleKind) {
    this.#graph = graph;
    this.#kind = kind;
    this.#cameFrom = new Int32Array(graph.size * STATES).fill(-1);
  }

  run(): Dependency[] | undefined {
    const { mask, first } = this.#kind;
    const componentOf = this.#graph.components(mask);
    let searches = 0;
    for (const edge of this.#graph.edges) {
      if (edge.type !== first) continue;
      const component = componentOf[edge.from]!;
      if (component < 0 || component !== componentOf[edge.to]) continue;
      if (++searches > SEARCHES_MAX && this.#best !== undefined) break;
      this.#searchFrom(edge, componentOf);
    }
    return this.#best;
  }

  /** The shortest way round that begins with this dependency, if it beats the best so far. */
  #searchFrom(start: Dependency, componentOf: Int32Array): void {
    const reached: number[] = [];
    const flags = start.type === RW ? LAST_IS_ANTI : 0;
    let wave = [this.#reach(start.to * STATES + flags, -2, start, reached)];
    const lengthMax = (this.#best?.length ?? this.#graph.size + 1) - 1;
    for (let length = 1; wave.length > 0 && length < lengthMax; length++) {
      const next: number[] = [];
      for (const state of wave) {
        const last = this.#expand(state, start, componentOf, (to, edge) => {
          if (this.#cameFrom[to] === -1) next.push(this.#reach(to, state, edge, reached));
        });
        if (last !== undefined) {
          this.#best = this.#wayTo(state, last);
          this.#forget(reached);
          return;
        }
      }
      wave = next;
    }
    this.#forget(reached);
  }

  /** Shows `visit` every state one dependency further; returns one that closes the circle. */
  // oxlint-disable-next-line eslint/max-params -- a step of the search
  #expand(
    state: number,
    start: Dependency,
    componentOf: Int32Array,
    visit: (to: number, edge: Dependency) => void,
  ): Dependency | undefined {
    const component = componentOf[start.from]!;
    for (const edge of this.#graph.from(Math.floor(state / STATES), this.#kind.mask)) {
      if (componentOf[edge.to] !== component) continue;
      const flags = this.#follow(state % STATES, edge.type);
      if (flags < 0) continue;
      if (edge.to !== start.from) visit(edge.to * STATES + flags, edge);
      else if (this.#isAccepted(flags, start.type === RW)) return edge;
    }
    return undefined;
  }

  // oxlint-disable-next-line eslint/max-params -- a step of the search
  #reach(state: number, from: number, by: Dependency, reached: number[]): number {
    this.#cameFrom[state] = from;
    this.#cameBy[state] = by;
    reached.push(state);
    return state;
  }

  /** What the way is like after one more dependency; −1 if it may not follow. */
  #follow(flags: number, type: number): number {
    if (type !== RW) return flags & ~LAST_IS_ANTI;
    const { anti } = this.#kind;
    const wasAnti = (flags & LAST_IS_ANTI) !== 0;
    if (anti === "none" || anti === "one" || (anti === "apart" && wasAnti)) return -1;
    return flags | LAST_IS_ANTI | HAS_SECOND | (wasAnti ? HAS_ADJACENT : 0);
  }

  #isAccepted(flags: number, beganWithAnti: boolean): boolean {
    const endsWithAnti = (flags & LAST_IS_ANTI) !== 0;
    const isClosedByTwo = beganWithAnti && endsWithAnti;
    const { anti } = this.#kind;
    if (anti === "apart") return (flags & HAS_SECOND) !== 0 && !isClosedByTwo;
    return anti !== "adjacent" || (flags & HAS_ADJACENT) !== 0 || isClosedByTwo;
  }

  #wayTo(state: number, last: Dependency): Dependency[] {
    const way = [last];
    for (let at = state; at >= 0; at = this.#cameFrom[at]!) way.push(this.#cameBy[at]!);
    return way.toReversed();
  }

  #forget(reached: readonly number[]): void {
    for (const state of reached) this.#cameFrom[state] = -1;
  }
}
