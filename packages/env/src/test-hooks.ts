/**
 * Where a simulation reaches into running code. In production every answer is "no" and costs one
 * call; hot paths read their answers once, at construction.
 *
 * Source: FoundationDB's BUGGIFY and CODE_PROBE (Zhou et al., "FoundationDB", SIGMOD 2021, §4).
 */
export interface TestHooks {
  /**
   * Whether to take the rare branch here: a smaller batch, an early flush, a needless retry. The
   * branch must be correct; it only makes rare timing common. A site is switched on for a whole
   * run or not at all.
   *
   * @param site A fixed name, unique in the code base: `wal.rotate-early`.
   */
  buggify(site: string): boolean;
  /** Notes that a rare state was reached, so that tests can show they reach it. */
  probe(state: string): void;
  /**
   * Whether the built-in sabotage of this name is on: a deliberate bug that tests must catch, which
   * proves that they can fail. Ask once, when the component is made.
   */
  hasMutant(mutant: string): boolean;
}

/** No rare branches, no probes, no sabotage: production. */
export const noTestHooks: TestHooks = {
  buggify: () => false,
  probe: () => undefined,
  hasMutant: () => false,
};
