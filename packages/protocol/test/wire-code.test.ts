import { expect, test } from "vitest";
import { REQUEST_KINDS, RequestCode, requestKind } from "../src/wire-code.ts";

test("every code has a kind, and every kind a code of its own", () => {
  const codes = Object.values(RequestCode);

  expect(REQUEST_KINDS.map(({ code }) => code)).toEqual(codes);
  expect(new Set(codes).size).toBe(codes.length);
  for (const kind of REQUEST_KINDS) expect(requestKind(kind.code)).toBe(kind);
  for (const code of [4, 15, 127, 128, 2 ** 40, -1]) expect(requestKind(code)).toBeUndefined();
});

test("all that changes data is a write", () => {
  const writes = REQUEST_KINDS.filter(({ isWrite }) => isWrite).map(({ name }) => name);

  expect(writes).toEqual(["put", "delete", "batch", "insert", "update", "remove", "commit"]);
});
