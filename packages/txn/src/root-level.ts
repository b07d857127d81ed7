import { Descent, NEWEST_VERSION, type TreeState } from "@kvs/btree";
import { type Pager } from "@kvs/pager";

const NO_KEY = new Uint8Array(0);

/** The level of a tree's root: 0 if it is a leaf. */
export function rootLevelOf(state: TreeState, pager: Pager): Promise<number> {
  const descent = new Descent(state, pager);
  descent.probe.set(NO_KEY, 0, NEWEST_VERSION);
  return pager.attempt(() => {
    descent.reach(0);
    return descent.rootLevel;
  });
}
