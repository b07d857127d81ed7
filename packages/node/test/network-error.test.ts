import { expect, test } from "vitest";
import { fromSocketError, networkError } from "../src/network-error.ts";

const fault = { target: "ws://h:1/" };
const system = (code: string): Error => Object.assign(new Error(`${code} text`), { code });

test.each([
  ["ECONNREFUSED", "NET_REFUSED", true],
  ["ECONNRESET", "NET_REFUSED", true],
  ["EADDRINUSE", "NET_ADDRESS_IN_USE", false],
  ["EACCES", "NET_DENIED", false],
  ["ETIMEDOUT", "NET_TIMEOUT", true],
  ["ENOTFOUND", "NET_UNREACHABLE", true],
  ["EAI_AGAIN", "NET_UNREACHABLE", true],
  ["EADDRNOTAVAIL", "NET_UNREACHABLE", true],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "NET_TLS", false],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "NET_TLS", false],
  ["CERT_HAS_EXPIRED", "NET_TLS", false],
  ["EPROTO", "NET_TLS", false],
  ["HPE_INVALID_CONSTANT", "NET_REJECTED", false],
])("%s becomes %s", (name, code, retryable) => {
  const cause = system(name);
  expect(fromSocketError(cause, fault)).toMatchObject({
    code,
    retryable,
    outcome: "none",
    details: { target: "ws://h:1/" },
    message: expect.stringContaining(`ws://h:1/ (${name} text); `),
    cause,
  });
});

test("of several addresses that all failed the first tells why", () => {
  const all = new AggregateError([system("ECONNREFUSED"), system("ENETUNREACH")]);
  expect(fromSocketError(all, fault).code).toBe("NET_REFUSED");
});

test("an error without a code is a handshake that ws refused; one of the network stays", () => {
  expect(fromSocketError(new Error("bad accept header"), fault).code).toBe("NET_REJECTED");
  const known = networkError("NET_TIMEOUT", { ...fault, outcome: "unknown" });
  expect(fromSocketError(known, fault)).toBe(known);
  expect(known).toMatchObject({ outcome: "unknown", retryable: true });
});
