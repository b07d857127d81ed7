import { type TimedOperation } from "../../src/check/model.ts";
import { type RegisterOperation } from "../../src/check/register-model.ts";

/**
 * Reads register operations drawn as intervals, one a line; the line's number is the process:
 *
 *     |--w1--|
 *         |--r1--|
 *       |--c1,2------        (no end: the outcome is unknown)
 *
 * `w1` writes 1, `r1` read 1, `r_` read nothing, `c1,2` swapped 1 for 2. A key may stand before:
 * `x:w1`. Columns are time; all ends are where the bars are.
 */
export function drawn(text: string): TimedOperation<RegisterOperation>[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .flatMap((line, process) =>
      [...line.matchAll(/\|-*([^|\s-]+)-*\|?/g)].map((match) => ({
        process,
        operation: operationOf(match[1]!),
        invokedAt: match.index,
        completedAt: match[0].endsWith("|") ? match.index + match[0].length - 1 : Infinity,
      })),
    );
}

function operationOf(text: string): RegisterOperation {
  const match = /^(?:(\w+):)?([rwc])(_|\d+)(?:,(\d+))?$/.exec(text);
  if (match === null) throw new Error(`not an operation: ${text}`);
  const [, key = "x", kind, first, second] = match;
  const value = first === "_" ? null : Number(first);
  if (kind === "r") return { type: "read", key, value };
  if (kind === "w") return { type: "write", key, value };
  return { type: "cas", key, expected: value, value: Number(second) };
}
