import { createRandom, pick } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";

import {
  changeConfiguration,
  checkConfiguration,
  findProblem,
  isJoint,
  type MembershipOperation,
  MEMBERS_MAX,
  membersOf,
  toConfiguration,
} from "../src/core/configuration.ts";
import { decodeConfiguration, encodeConfiguration } from "../src/core/configuration-codec.ts";

const invalid = expect.objectContaining({ code: "RAFT_INVALID_CHANGE", outcome: "none" });
const three = toConfiguration({ incoming: [1, 2, 3] });

test("any set of voters may follow any other, through a joint configuration", () => {
  forEachSeed({ seeds: 300 }, ({ random }) => {
    const draw = (): number[] => [1, 2, 3, 4, 5, 6].filter(() => random.chance(0.5));
    const before = toConfiguration({ incoming: [1 + random.below(6), ...draw()] });
    const wanted = new Set([1 + random.below(6), ...draw()]);
    const operations: MembershipOperation[] = [];
    for (const node of before.incoming)
      if (!wanted.has(node)) operations.push({ type: "remove", node });
    for (const node of wanted) {
      if (!before.incoming.includes(node)) operations.push({ type: "add-voter", node });
    }
    if (operations.length === 0) return;

    const joint = changeConfiguration(before, operations);
    const after = changeConfiguration(joint, []);

    expect(joint.outgoing).toEqual(before.incoming);
    expect(after.incoming).toEqual([...wanted].toSorted((left, right) => left - right));
    expect(isJoint(after)).toBe(false);
    checkConfiguration(joint);
    checkConfiguration(after);
  });
});

test("learners come and go without a joint configuration", () => {
  const added = changeConfiguration(three, [{ type: "add-learner", node: 4 }]);
  const removed = changeConfiguration(added, [{ type: "remove", node: 4 }]);

  expect(added).toEqual({ ...three, learners: [4] });
  expect(removed).toEqual(three);
});

test("a voter that becomes a learner keeps its vote until the change ends", () => {
  const joint = changeConfiguration(three, [{ type: "add-learner", node: 3 }]);

  expect(joint).toEqual({ incoming: [1, 2], outgoing: [1, 2, 3], learners: [3], witnesses: [] });
  expect(changeConfiguration(joint, [])).toEqual({ ...three, incoming: [1, 2], learners: [3] });
});

test("a witness that is removed stays a witness until the change ends", () => {
  const before = toConfiguration({ incoming: [1, 2, 3], witnesses: [3] });
  const joint = changeConfiguration(before, [{ type: "remove", node: 3 }]);

  expect(joint.witnesses).toEqual([3]);
  expect(changeConfiguration(joint, []).witnesses).toEqual([]);
});

test("impossible changes are refused", () => {
  const witnessed = toConfiguration({ incoming: [1, 2, 3], witnesses: [3] });
  const many = Array.from({ length: MEMBERS_MAX }, (_, at) => at + 10);
  const joint = changeConfiguration(three, [{ type: "remove", node: 3 }]);
  const refused: [typeof three, MembershipOperation[]][] = [
    [three, [1, 2, 3].map((node) => ({ type: "remove", node }))],
    [three, [{ type: "remove", node: 9 }]],
    [
      three,
      [
        { type: "add-voter", node: 4 },
        { type: "remove", node: 4 },
      ],
    ],
    [three, []],
    [joint, [{ type: "add-voter", node: 4 }]],
    [witnessed, [{ type: "add-voter", node: 3 }]],
    [witnessed, [{ type: "add-witness", node: 2 }]],
    [witnessed, [1, 2].map((node) => ({ type: "remove", node }))],
    [three, many.map((node) => ({ type: "add-learner", node }))],
  ];

  for (const [configuration, operations] of refused) {
    expect(() => changeConfiguration(configuration, operations)).toThrow(invalid);
  }
});

test("a configuration is decoded as it was encoded", () => {
  forEachSeed({ seeds: 300 }, ({ random }) => {
    const draw = (): number[] =>
      Array.from(
        { length: random.below(6) },
        () => 1 + random.nextUint32() * 2 ** random.below(21),
      );
    const [incoming, outgoing, learners] = [draw(), draw(), draw()];
    const configuration = toConfiguration({
      incoming,
      outgoing,
      learners,
      witnesses: incoming.slice(1, 2),
    });
    const bytes = encodeConfiguration(configuration);

    const isValid = findProblem(configuration) === undefined;
    expect(decodeConfiguration(bytes)).toEqual(isValid ? configuration : undefined);
  });
});

test("bytes that are no configuration are not taken for one: truncated, extended, flipped", () => {
  const configuration = toConfiguration({
    incoming: [1, 2, 3],
    learners: [2 ** 40],
    witnesses: [3],
  });
  const bytes = encodeConfiguration(configuration);

  for (let length = 0; length < bytes.length; length++) {
    expect(decodeConfiguration(bytes.subarray(0, length))).toBeUndefined();
  }
  expect(decodeConfiguration(Uint8Array.of(...bytes, 0))).toBeUndefined();
  const random = createRandom(7);
  for (let round = 0; round < 2000; round++) {
    const flipped = bytes.slice();
    flipped[random.below(bytes.length)]! ^= pick(random, [1, 2, 4, 8, 16, 32, 64, 128]);
    const decoded = decodeConfiguration(flipped);
    // What still decodes is at least a possible group.
    if (decoded !== undefined) checkConfiguration(decoded);
  }
});

test("all members are listed once, ascending", () => {
  const joint = toConfiguration({ incoming: [3, 1], outgoing: [2, 1], learners: [9, 2] });

  expect(membersOf(joint)).toEqual([1, 2, 3, 9]);
});
