import { expect, test } from "vitest";

import { changeConfiguration } from "../src/core/configuration.ts";
import { majorityOf, quorumCommitted, VoterSet, voteResult } from "../src/core/quorum.ts";

/** All subsets of 1 … count. */
function subsets(count: number): number[][] {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  const choices = Array.from({ length: 2 ** count }, (_, bits) => bits);
  return choices.map((bits) => ids.filter((id) => ((bits >> (id - 1)) & 1) === 1));
}

/** All ways to give each of 1 … count one of the values. */
function assignments<T>(count: number, values: readonly T[]): T[][] {
  if (count === 0) return [[]];
  return assignments(count - 1, values).flatMap((rest) => values.map((value) => [...rest, value]));
}

function isQuorum(voters: readonly number[], yes: (id: number) => boolean): boolean {
  return voters.length === 0 || voters.filter(yes).length >= majorityOf(voters.length);
}

const VOTERS_MAX = 4;
const INDEX_MAX = 2;

test("a majority is more than half", () => {
  expect([1, 2, 3, 4, 5, 6, 7].map(majorityOf)).toEqual([1, 2, 2, 3, 3, 4, 4]);
});

test("the committed index is the largest that a majority of each half has reached: all cases", () => {
  let cases = 0;
  for (const incoming of subsets(VOTERS_MAX)) {
    for (const outgoing of subsets(VOTERS_MAX)) {
      if (incoming.length + outgoing.length === 0) continue;
      for (const indices of assignments(VOTERS_MAX, [undefined, 0, 1, INDEX_MAX])) {
        const acknowledged = new Map(
          indices.flatMap((index, at) => (index === undefined ? [] : [[at + 1, index] as const])),
        );
        const isHeld = (index: number) => (id: number) => (acknowledged.get(id) ?? 0) >= index;
        let expected = 0;
        while (
          expected < INDEX_MAX &&
          isQuorum(incoming, isHeld(expected + 1)) &&
          isQuorum(outgoing, isHeld(expected + 1))
        ) {
          expected++;
        }

        const committed = quorumCommitted({ incoming, outgoing }, acknowledged);
        const set = new VoterSet(incoming, outgoing);
        if (committed !== expected)
          expect({ incoming, outgoing, indices, committed }).toBe(expected);
        if (set.committed((id) => acknowledged.get(id) ?? 0) !== expected) {
          expect({ incoming, outgoing, indices }).toBe(expected);
        }
        cases++;
      }
    }
  }
  expect(cases).toBe(255 * 256);
});

test("an election is won, lost or pending as all ways to complete it tell: all cases", () => {
  let cases = 0;
  for (const incoming of subsets(VOTERS_MAX)) {
    for (const outgoing of subsets(VOTERS_MAX)) {
      for (const answers of assignments(VOTERS_MAX, [undefined, false, true])) {
        const votes = new Map(
          answers.flatMap((vote, at) => (vote === undefined ? [] : [[at + 1, vote] as const])),
        );
        const wins = (silent: boolean): boolean =>
          isQuorum(incoming, (id) => votes.get(id) ?? silent) &&
          isQuorum(outgoing, (id) => votes.get(id) ?? silent);
        const expected = wins(false) ? "won" : wins(true) ? "pending" : "lost";

        const result = voteResult({ incoming, outgoing }, votes);
        if (result !== expected) expect({ incoming, outgoing, answers, result }).toBe(expected);
        cases++;
      }
    }
  }
  expect(cases).toBe(256 * 81);
});

test("nobody to ask means that nothing is asked for", () => {
  expect(quorumCommitted({ incoming: [], outgoing: [] }, new Map())).toBe(Number.POSITIVE_INFINITY);
  expect(voteResult({ incoming: [] }, new Map())).toBe("won");
});

test("ids may be text, for those who name their nodes", () => {
  const configuration = { incoming: ["a", "b", "c"], outgoing: [], learners: ["d"] };
  const acknowledged = new Map([
    ["a", 5],
    ["b", 3],
    ["d", 9],
  ]);

  expect(quorumCommitted(configuration, acknowledged)).toBe(3);
  expect(voteResult(configuration, new Map([["d", true]]))).toBe("pending");
  expect(changeConfiguration(configuration, [{ type: "add-voter", node: "d" }])).toEqual({
    incoming: ["a", "b", "c", "d"],
    outgoing: ["a", "b", "c"],
    learners: [],
    witnesses: [],
  });
});
