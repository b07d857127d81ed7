import { expect, test } from "vitest";
import * as api from "../src/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "AssertionFailure",
      "BoundedQueue",
      "CancelSource",
      "FRAME_MAX_BYTES",
      "HTTP_BODY_MAX_BYTES",
      "KEY_BYTES",
      "KvsError",
      "MemoryDisk",
      "Mutex",
      "NONCE_BYTES",
      "NonceSequence",
      "SEND_BUFFER_BYTES",
      "SEND_BUFFER_MAX_BYTES",
      "TAG_BYTES",
      "TURN_BUDGET_MS",
      "TurnBudget",
      "assert",
      "closestName",
      "createRandom",
      "isKvsError",
      "noTestHooks",
      "noTrace",
      "pick",
      "readFullyAt",
      "readFullyAtSync",
      "shuffle",
      "sleep",
      "throwIfCanceled",
      "unreachable",
      "writeFullyAt",
      "yieldTurn",
    ]
  `);
});
