import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { Sandbox } from "../src/sandbox.ts";
import { decoders } from "../src/scenarios/decoders.ts";

test("changed documents and keys are decoded or refused by a code", async () => {
  const sandbox = Sandbox.create();

  const result = await decoders.run({
    random: createRandom(1),
    sandbox,
    mutants: [],
    wantsMore: (done) => done < 2,
    progress: () => undefined,
  });
  sandbox.clean();

  expect(result).toMatchObject({ rounds: 2, violations: [] });
  expect(result.counts["decoded"]).toBeGreaterThan(0);
  expect(result.counts["CODEC_TRUNCATED"]).toBeGreaterThan(0);
});
