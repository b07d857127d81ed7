import { type DocumentObject, type DocumentValue } from "@kvs/codec";
import { isArray, isObject, type MutableObject, setMember } from "../filter/value-kind.ts";
import { type Projection, type ProjectionTree } from "./parse-projection.ts";

/**
 * The document as `projection` gives it: a new object, its members in the order of the document.
 * Values that are given whole are shared with the document.
 *
 * A path goes on in every element of the arrays that it meets, nested ones too. Where it goes on
 * but the value has no members, an inclusion leaves the value out and an exclusion keeps it. Parts
 * that are digits are names, never positions.
 *
 * Source: MongoDB, src/mongo/db/exec/projection_node.cpp.
 */
export function applyProjection(projection: Projection, document: DocumentObject): DocumentObject {
  const isInclusion = projection.type === "include";
  const result: MutableObject = {};
  for (const name of Object.keys(document)) {
    const value = document[name];
    if (value === undefined) continue;
    const branch = projection.members.get(name);
    if (name === "_id" && branch === undefined) {
      if (projection.includesId) setMember(result, name, value);
      continue;
    }
    project(result, name, value, { branch, isInclusion });
  }
  return result;
}

/** What a projection says of one member. */
interface Rule {
  readonly branch: "all" | ProjectionTree | undefined;
  readonly isInclusion: boolean;
}

function project(
  result: MutableObject,
  name: string,
  value: DocumentValue,
  { branch, isInclusion }: Rule,
): void {
  if (branch === undefined || branch === "all") {
    if ((branch === "all") === isInclusion) setMember(result, name, value);
    return;
  }
  const part = projectValue(value, branch, isInclusion);
  if (part !== undefined) setMember(result, name, part);
}

/** The part of a value beneath which the projection names members, or `undefined` for none of it. */
function projectValue(
  value: DocumentValue,
  tree: ProjectionTree,
  isInclusion: boolean,
): DocumentValue | undefined {
  if (isArray(value)) {
    return value
      .map((element) => projectValue(element, tree, isInclusion))
      .filter((element) => element !== undefined);
  }
  if (!isObject(value)) return isInclusion ? undefined : value;
  const result: MutableObject = {};
  for (const name of Object.keys(value)) {
    const member = value[name];
    if (member !== undefined)
      project(result, name, member, { branch: tree.get(name), isInclusion });
  }
  return result;
}
