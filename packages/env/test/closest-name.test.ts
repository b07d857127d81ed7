import { expect, test } from "vitest";
import { closestName } from "../src/closest-name.ts";

const KNOWN = ["import", "export", "insert", "get", "put", "del", "stats"];

test("a slip of the pen finds the name that was meant", () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ["import", "import"],
    ["imprt", "import"],
    ["improt", "import"],
    ["exprot", "export"],
    ["gett", "get"],
    ["pt", "put"],
    ["stat", "stats"],
    ["inserting", "insert"],
    ["Import", "import"],
    ["gte", "get"],
    ["zzzzzz", undefined],
    ["", undefined],
    ["x", undefined],
    ["importation of all", undefined],
  ];
  for (const [name, meant] of table) expect(closestName(name, KNOWN)).toBe(meant);
});

test("of equally near names the first one counts; of none there is none", () => {
  expect(closestName("ab", ["ac", "ad"])).toBe("ac");
  expect(closestName("ab", ["xyz", "ad", "ab"])).toBe("ab");
  expect(closestName("ab", [])).toBeUndefined();
});

test("a short name is not taken for something quite different", () => {
  expect(closestName("ab", ["xy"])).toBeUndefined();
  expect(closestName("abc", ["xyc"])).toBe("xyc");
  expect(closestName("abcdefgh", ["abcdexyz"])).toBe("abcdexyz");
  expect(closestName("abcdefgh", ["abcdwxyz"])).toBeUndefined();
});
