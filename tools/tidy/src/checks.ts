import { checkLayers } from "./check-layers.ts";
import { type Finding } from "./finding.ts";
import { type SourceTree } from "./source-tree.ts";

export interface CheckContext {
  readonly tree: SourceTree;
  /** The root on disk, for checks that run a compiler. */
  readonly root: string;
  readonly stop: AbortSignal;
}

export interface NamedCheck {
  readonly name: string;
  readonly check: (context: CheckContext) => readonly Finding[] | Promise<readonly Finding[]>;
}

/** Our own checks, in the order they run. */
export const CHECKS: readonly NamedCheck[] = [
  { name: "layers", check: ({ tree }) => checkLayers(tree) },
];
