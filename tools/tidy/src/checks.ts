import { checkDocuments } from "./check-documents.ts";
import { checkLayers } from "./check-layers.ts";
import { checkLengths } from "./check-lengths.ts";
import { checkManifests } from "./check-manifests.ts";
import { checkReliability } from "./check-reliability.ts";
import { checkWords } from "./check-words.ts";
import { checkErrorCodes } from "./error-codes.ts";
import { checkFence } from "./fence.ts";
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
  { name: "fence", check: ({ tree, root, stop }) => checkFence(tree, root, stop) },
  { name: "manifests", check: ({ tree }) => checkManifests(tree) },
  { name: "lengths", check: ({ tree }) => checkLengths(tree) },
  { name: "words", check: ({ tree }) => checkWords(tree) },
  { name: "documents", check: ({ tree }) => checkDocuments(tree) },
  { name: "reliability", check: ({ tree }) => checkReliability(tree) },
  { name: "errors", check: ({ tree }) => checkErrorCodes(tree) },
];
