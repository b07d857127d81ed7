import { expect, test } from "vitest";
import { type ClientOptions, resolveClientOptions } from "../src/client-options.ts";

test("options have defaults", () => {
  expect(resolveClientOptions({})).toEqual({
    timeoutMs: 10_000,
    connectTimeoutMs: 5000,
    connections: 1,
    name: "kvs-client",
    requestsMax: 65_536,
    bytesMax: 256 << 20,
  });
});

test.each<ClientOptions>([
  { timeoutMs: 0 },
  { timeoutMs: 1.5 },
  { timeoutMs: 2 ** 31 },
  { connectTimeoutMs: -1 },
  { connections: 17 },
  { connections: 0 },
  { requestsMax: Number.NaN },
  { bytesMax: Infinity },
])("%o is refused", (options) => {
  expect(() => resolveClientOptions(options)).toThrow("BAD_OPTION");
});
