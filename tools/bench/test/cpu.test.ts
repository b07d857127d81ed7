import { expect, test } from "vitest";
import { cpuMicrosOf, parseCpuMicros } from "../src/cpu.ts";

test("user and system time are read past a name with spaces and parentheses", () => {
  const line =
    "812 (my (odd) name) S 1 812 812 0 -1 4194560 901 0 2 0 150 25 3 4 20 0 11 0 8231 1 2 3";

  expect(parseCpuMicros(line)).toBe(1_750_000);
});

test("a line without numbers is refused", () => {
  expect(() => parseCpuMicros("1 (sh) S")).toThrow("no processor times");
});

test("the time of this process grows as it works, seen from inside and from outside", () => {
  const inside = cpuMicrosOf();
  const outside = cpuMicrosOf(process.pid);
  let sum = 0;
  while (cpuMicrosOf() - inside < 50_000) sum += Math.sqrt(sum + 1);

  expect(cpuMicrosOf(process.pid)).toBeGreaterThan(outside);
});
