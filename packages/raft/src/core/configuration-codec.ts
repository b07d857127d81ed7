/**
 * The payload of a configuration entry.
 *
 *   offset  size  field      integers are little-endian
 *        0     1  version    1
 *        1     4  counts     of incoming, outgoing, learners, witnesses: one byte each
 *        5    8n  ids        in that order, each list ascending: low 32 bits, then high 32 bits
 *
 * Here, and not in a codec package, because the core reads it in order to know its members.
 */
import { assert } from "@kvs/env";

import { type Configuration, findProblem, MEMBERS_MAX } from "./configuration.ts";
import { isId, type NodeId } from "./ids.ts";

const VERSION = 1;
const HEADER_BYTES = 5;
const ID_BYTES = 8;
const HIGH = 0x1_0000_0000;

/** The bytes of a valid configuration. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const lists = listsOf(configuration);
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  const bytes = new Uint8Array(HEADER_BYTES + count * ID_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  let at = HEADER_BYTES;
  for (const [position, list] of lists.entries()) {
    assert(list.length <= MEMBERS_MAX, "a configuration has a bounded number of members");
    bytes[1 + position] = list.length;
    for (const id of list) {
      assert(isId(id), "a member has a valid id");
      view.setUint32(at, id % HIGH, true);
      view.setUint32(at + 4, Math.floor(id / HIGH), true);
      at += ID_BYTES;
    }
  }
  return bytes;
}

/** The configuration of these bytes, or `undefined` if they are not the encoding of a valid one. */
export function decodeConfiguration(bytes: Uint8Array): Configuration | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return undefined;
  const counts = bytes.subarray(1, HEADER_BYTES);
  const count = counts.reduce((sum, each) => sum + each, 0);
  if (bytes.length !== HEADER_BYTES + count * ID_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = HEADER_BYTES;
  const lists: NodeId[][] = [];
  for (const length of counts) {
    const list: NodeId[] = [];
    for (let position = 0; position < length; position++) {
      const id = view.getUint32(at, true) + view.getUint32(at + 4, true) * HIGH;
      if (!isId(id) || id <= (list.at(-1) ?? 0)) return undefined;
      list.push(id);
      at += ID_BYTES;
    }
    lists.push(list);
  }
  const [incoming, outgoing, learners, witnesses] = lists;
  const decoded: Configuration = {
    incoming: incoming!,
    outgoing: outgoing!,
    learners: learners!,
    witnesses: witnesses!,
  };
  return findProblem(decoded) === undefined ? decoded : undefined;
}

function listsOf(configuration: Configuration): readonly (readonly NodeId[])[] {
  const { incoming, outgoing, learners, witnesses } = configuration;
  return [incoming, outgoing, learners, witnesses];
}
