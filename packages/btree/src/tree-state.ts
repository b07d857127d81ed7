import { type PageId } from "@kvs/pager";

/** What is known in memory of one tree. Its pages are the truth; this only tells of changes. */
export interface TreeState {
  /** Number in every page of the tree, so that a page of another tree is noticed. */
  readonly treeId: number;
  /** Never changes: a split of the root moves its content, not its number. */
  readonly rootId: PageId;
  /** Grows with each split or merge: ways remembered from before are void. */
  structureVersion: number;
  /** Grows with each change of an entry or page: positions remembered from before are void. */
  changeVersion: number;
}

export function newTreeState(treeId: number, rootId: PageId): TreeState {
  return { treeId, rootId, structureVersion: 0, changeVersion: 0 };
}
