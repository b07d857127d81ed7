import { createNodeEnvironment } from "@kvs/node";
import { expect, test } from "vitest";
import { EchoPair } from "../src/echo-pair.ts";

test("every echo comes back to its caller, however many are under way", async () => {
  const pair = await EchoPair.open(createNodeEnvironment(), 64);
  const back: number[] = [];

  await Promise.all(
    Array.from({ length: 300 }, async (_, caller) => {
      for (let round = 0; round < 3; round++) await pair.echo();
      back.push(caller);
    }),
  );
  await pair.close();

  expect(back.toSorted((left, right) => left - right)).toEqual(
    Array.from({ length: 300 }, (_, caller) => caller),
  );
});
