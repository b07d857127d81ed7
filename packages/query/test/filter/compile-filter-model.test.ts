import { type DocumentObject, encodeDocument } from "@kvs/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compileFilter, parseFilter } from "../../src/index.ts";
import { document, filter } from "../arbitrary.ts";
import { isMatch } from "./slow-matcher.ts";

test("compiled filters agree with a plain matcher written after MongoDB's", () => {
  let pairs = 0;
  let matches = 0;
  fc.assert(
    fc.property(
      filter,
      fc.array(document, { minLength: 10, maxLength: 10 }),
      (query, documents) => {
        const isCompiledMatch = compileFilter(parseFilter(query));
        for (const each of documents) {
          const expected = isMatch(query, each);
          pairs++;
          if (expected) matches++;
          if (isCompiledMatch(each) !== expected) {
            expect({ query, each, matches: !expected }).toEqual({ query, each, matches: expected });
          }
        }
      },
    ),
    { numRuns: 4000 },
  );
  expect(pairs).toBeGreaterThanOrEqual(40_000);
  // Generators that never meet, or always do, would prove nothing.
  expect(matches).toBeGreaterThan(pairs / 10);
  expect(matches).toBeLessThan(pairs / 2);
});

test("a parsed filter is plain data that can be stored", () => {
  fc.assert(
    fc.property(filter, (query) => {
      expect(
        encodeDocument(parseFilter(query) as unknown as DocumentObject).length,
      ).toBeGreaterThan(0);
    }),
  );
});
