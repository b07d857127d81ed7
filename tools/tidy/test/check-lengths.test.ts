import { expect, test } from "vitest";
import { checkLengths, RATCHET_FILE, shrinkRatchet } from "../src/check-lengths.ts";
import { shown, treeOf } from "./tree.ts";

const lines = (count: number): string => "x;\n".repeat(count);

test("a file of 400 lines is fine, one of 401 is not", () => {
  const tree = treeOf({ "a.ts": lines(400), "b.ts": lines(401), "c.md": lines(500) });

  expect(shown(checkLengths(tree))).toEqual([
    "b.ts:401 has 401 lines, 400 are allowed: split it by what it is about",
  ]);
});

test("a file in the ratchet may keep its length and not grow", () => {
  const ratchet = JSON.stringify({ "a.ts": 410 });

  expect(checkLengths(treeOf({ "a.ts": lines(410), [RATCHET_FILE]: ratchet }))).toEqual([]);
  expect(checkLengths(treeOf({ "a.ts": lines(411), [RATCHET_FILE]: ratchet }))).toHaveLength(1);
});

test("a file that shrank takes the ratchet with it", () => {
  const ratchet = JSON.stringify({ "a.ts": 410, "b.ts": 420, "gone.ts": 450 });
  const tree = treeOf({ "a.ts": lines(405), "b.ts": lines(300), [RATCHET_FILE]: ratchet });

  expect(checkLengths(tree).map(({ message }) => message.split(" ")[0])).toEqual([
    "a.ts",
    "b.ts",
    "gone.ts",
  ]);
  expect([...shrinkRatchet(tree)]).toEqual([["a.ts", 405]]);
});

test("the ratchet never takes in a new file", () => {
  expect([...shrinkRatchet(treeOf({ "a.ts": lines(500), [RATCHET_FILE]: "{}" }))]).toEqual([]);
});
