import { setImmediate as turn } from "node:timers/promises";
import {
  type DocumentValue,
  type Key,
  checkDocument,
  decodeDocument,
  decodeKey,
  encodeDocument,
  encodeKey,
} from "@kvs/codec";
import { KvsError, type Random } from "@kvs/env";
import { type Scenario, type ScenarioResult } from "../scenario.ts";
import { emptyTally, note } from "../tally.ts";

const INPUTS_PER_ROUND = 10_000;
const CHANGES_MAX = 4;
/** Tags and lengths at which decoders go wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0x90, 0xc1, 0xc4, 0xc6, 0xd4, 0xd9, 0xdb, 0xdd, 0xdf, 0xfe, 0xff];

const DOCUMENTS: readonly DocumentValue[] = [
  { _id: "018f3c5e7a907b3d", name: "Grüße", ages: [1, 200, 70_000, -5, -300, 1.5, null, true] },
  { big: 2n ** 60n, deep: { er: [{ and: [["deeper"]] }] }, empty: {}, bytes: new Uint8Array(40) },
  ["a".repeat(300), 2 ** 53 - 1, -(2 ** 31), 0.1, false],
];
const KEYS: readonly Key[] = ["key", ["user", 17, -1.5, null, true], ["\0", "\uffff", 2 ** 52]];

// REL-W7
/** Gives changed documents and keys to their decoders: a value that encodes again, or a code. */
export const decoders: Scenario = {
  name: "decoders",
  description: "changed documents and keys; a round is 10,000 inputs",
  rounds: 100,
  run: async ({ random, wantsMore }) => {
    const tally = emptyTally();
    for (; wantsMore(tally.rounds) && tally.violations.length === 0; tally.rounds++) {
      for (let input = 0; input < INPUTS_PER_ROUND; input++) {
        note(tally, tryOne(random, tally.violations));
      }
      await turn(); // so that Ctrl-C is heard
    }
    return tally satisfies ScenarioResult;
  },
};

const VALID_DOCUMENTS = DOCUMENTS.map((document) => encodeDocument(document));
const VALID_KEYS = KEYS.map((key) => encodeKey(key));

function tryOne(random: Random, violations: string[]): string {
  const isKey = random.chance(0.4);
  const choices = isKey ? VALID_KEYS : VALID_DOCUMENTS;
  const bytes = change(choices[random.below(choices.length)]!, random);
  try {
    if (isKey) encodeKey(decodeKey(bytes));
    else {
      const value = decodeDocument(bytes);
      checkDocument(bytes); // the two agree on what is a document
      encodeDocument(value);
    }
    return "decoded";
  } catch (error) {
    if (error instanceof KvsError && error.code.startsWith("CODEC_")) return error.code;
    violations.push(`${Buffer.from(bytes).toString("hex")}: ${String(error)}`);
    return "violation";
  }
}

function change(valid: Uint8Array, random: Random): Uint8Array {
  const bytes = random.chance(0.1) ? valid.slice(0, random.below(valid.length)) : valid.slice();
  if (bytes.length === 0) return bytes;
  for (let count = 1 + random.below(CHANGES_MAX); count > 0; count--) {
    const at = random.below(bytes.length);
    const how = random.below(4);
    if (how === 0) bytes[at]! ^= 1 << random.below(8);
    else if (how === 1) bytes[at] = EDGES[random.below(EDGES.length)]!;
    else if (how === 2) bytes[at] = random.below(256);
    else bytes.copyWithin(at, random.below(bytes.length), random.below(bytes.length));
  }
  return bytes;
}
