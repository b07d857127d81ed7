import { expect, test } from "vitest";
import * as api from "../src/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "createNodeEnvironment",
      "createStderrTrace",
      "fileKeyProvider",
      "newMasterKeyLine",
      "variableKeyProvider",
    ]
  `);
});
