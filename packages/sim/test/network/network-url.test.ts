import { expect, test } from "vitest";
import { parseUrl } from "../../src/network/network-url.ts";

test("an address comes apart into its parts", () => {
  expect(parseUrl("ws://n1:5000/peer", ["ws", "wss"])).toEqual({
    isSecure: false,
    host: "n1",
    port: 5000,
    path: "/peer",
    query: "",
  });
  expect(parseUrl("https://[::1]/a/b?x=1&y=/?#part", ["http", "https"])).toEqual({
    isSecure: true,
    host: "[::1]",
    port: 443,
    path: "/a/b",
    query: "x=1&y=/?",
  });
  expect(parseUrl("http://n1", ["http", "https"])).toMatchObject({ port: 80, path: "/" });
});

test("what is no address of the schemes asked for is refused", () => {
  for (const text of ["", "n1:5000", "ws:/n1", "ws://", "ws://:5", "http://n1/", "ws://n1:x/"]) {
    expect(parseUrl(text, ["ws", "wss"])).toBeUndefined();
  }
});
