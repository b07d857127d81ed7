import assert from "node:assert/strict";
import { type KvsError, isKvsError } from "@kvs/env";

/**
 * Expects an operation to fail with this code, and without an effect.
 *
 * @param begin It may throw at once or reject.
 * @returns The error.
 */
export async function expectError(
  code: string | readonly string[],
  begin: () => unknown,
): Promise<KvsError> {
  const codes = typeof code === "string" ? [code] : code;
  try {
    await begin();
  } catch (error) {
    assert.ok(isKvsError(error), `a typed error of ${codes.join(" or ")}, not ${String(error)}`);
    assert.ok(codes.includes(error.code), `${codes.join(" or ")}, not ${error.message}`);
    assert.equal(error.outcome, "none");
    assert.ok(error.message.startsWith(`${error.code}: `), "a message begins with its code");
    return error;
  }
  return assert.fail(`${codes.join(" or ")} was expected, but it succeeded`);
}
