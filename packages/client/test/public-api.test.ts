import { expect, test } from "vitest";
import * as api from "../wiring/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "connect",
      "connectWith",
    ]
  `);
});
