import { Query } from "mingo";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compileFilter, parseFilter } from "../../src/index.ts";
import { filter, orderedDocument } from "../arbitrary.ts";
import { conditionsOf, DIFFERENCES, findDifference } from "./mingo-differences.ts";

test("filters agree with mingo, but where mingo differs from MongoDB", () => {
  let pairs = 0;
  const left = new Map(DIFFERENCES.map(({ name }) => [name, 0]));
  const documents = fc.array(orderedDocument, { minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(filter, documents, (query, subjects) => {
      const conditions = conditionsOf(query);
      const isMatch = compileFilter(parseFilter(query));
      let oracle: Query | undefined;
      for (const subject of subjects) {
        const difference = findDifference(conditions, subject);
        if (difference !== undefined) {
          left.set(difference.name, left.get(difference.name)! + 1);
          continue;
        }
        pairs++;
        oracle ??= new Query(query, {});
        if (isMatch(subject) !== oracle.test(subject)) {
          expect({ query, subject, is: isMatch(subject) }).toEqual({
            query,
            subject,
            is: oracle.test(subject),
          });
        }
      }
    }),
    { numRuns: 4000 },
  );
  expect(pairs).toBeGreaterThanOrEqual(20_000);
  // A rule that nothing falls under is out of date.
  for (const [name, count] of left)
    expect({ name, isUsed: count > 0 }).toEqual({ name, isUsed: true });
});
