import { expect, test } from "vitest";
import { describeHost, parseConnectionUrl, wireUrl } from "../src/connection-url.ts";

test.each([
  ["kvs://localhost:5000/app", [["localhost", 5000]], "app"],
  ["kvs://localhost", [["localhost", 5000]], "default"],
  ["kvs://localhost/", [["localhost", 5000]], "default"],
  [
    "kvs://n1,n2:5001,10.0.0.3/app",
    [
      ["n1", 5000],
      ["n2", 5001],
      ["10.0.0.3", 5000],
    ],
    "app",
  ],
  ["kvs://[::1]:7000/x-y_z", [["::1", 7000]], "x-y_z"],
] as const)("%s", (url, hosts, database) => {
  expect(parseConnectionUrl(url)).toEqual({
    hosts: hosts.map(([host, port]) => ({ host, port })),
    database,
  });
});

test.each([
  ["http://localhost:5000/app", "the URL of a database begins with kvs://"],
  ["localhost:5000", "begins with kvs://"],
  ["", "begins with kvs://"],
  ["kvs://localhost/app/more", "parts that have no meaning here"],
  ["kvs://localhost/app?x=1", "parts that have no meaning here"],
  ["kvs://user:secret@localhost/app", "there is no login yet"],
  ["kvs:///app", '"" is no host'],
  ["kvs://a,,b/app", '"" is no host'],
  ["kvs://a b/app", '"a b" is no host'],
  ["kvs://::1/app", '"::1" is no host'],
  ["kvs://a:0/app", "0 is no port"],
  ["kvs://a:70000/app", "70000 is no port"],
  ["kvs://a:x/app", '"a:x" is no host'],
  [`kvs://${"a,".repeat(100)}a/app`, "more than 100 hosts"],
])("%s is refused", (url, what) => {
  expect(() => parseConnectionUrl(url)).toThrow(what);
  expect(() => parseConnectionUrl(url)).toThrow("BAD_URL");
});

test("a bad name of a database is refused as such", () => {
  expect(() => parseConnectionUrl("kvs://a/b.c")).toThrow("BAD_DATABASE_NAME");
});

test("hosts are written as URLs and as people do", () => {
  expect(wireUrl({ host: "n1", port: 5000 })).toBe("ws://n1:5000/v1");
  expect(wireUrl({ host: "::1", port: 5001 })).toBe("ws://[::1]:5001/v1");
  expect(describeHost({ host: "::1", port: 5001 })).toBe("[::1]:5001");
});
