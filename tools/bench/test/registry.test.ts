import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { bench } from "../src/bench.ts";
import { suites } from "../src/registry.ts";
import { rowIdsOf } from "../src/runner.ts";

test("every row's id is suite.measure, with callers and peer where it has them", () => {
  for (const { name, measures } of suites) {
    const ids = rowIdsOf(measures);

    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids)
      expect(id).toMatch(new RegExp(`^${name}\\.[a-z0-9-]+(\\.\\d+)?(@[a-z-]+)?$`));
  }
});

test("the rows that others ask for by name are there", () => {
  const ids = suites.flatMap(({ measures }) => rowIdsOf(measures));

  expect(ids).toEqual(
    expect.arrayContaining([
      "sim.events-per-s",
      "node.echo-per-s.1",
      "node.echo-per-s.64",
      "node.echo-per-s.512",
      "node.durable-write-per-s.1",
      "node.durable-write-per-s.8",
      "node.durable-write-per-s.64",
      "node.aes-gcm-4k-per-s",
      "node.zstd-4k-per-s",
      "node.fast-4k-per-s",
      "embedded.get-per-s",
      "embedded.get-copy@lmdb",
      "embedded.get-copy@classic-level",
      "embedded.get-copy@sqlite",
      "embedded.put-per-s.64",
      "embedded.put.1@lmdb",
      "embedded.put.64@lmdb",
      "embedded.put.512@lmdb",
      "embedded.put.64@classic-level",
      "embedded.put.1@sqlite",
      "embedded.put.64@sqlite",
      "embedded.bulk-load@lmdb",
      "embedded.batch-insert@lmdb",
      "embedded.batch-insert@classic-level",
      "embedded.scan@lmdb",
      "embedded.scan@classic-level",
      "embedded.value-16k.64@lmdb",
      "embedded.get-view@lmdb",
      "embedded.space@lmdb",
      "embedded.put-batched@sqlite",
      "embedded.put-large.64@lmdb",
      "embedded.get-cold@lmdb",
      "embedded.loop-delay-p999-ms",
      "embedded.loop-delay-max-ms",
      "embedded.write-amplification",
      "embedded.encrypted-put.64",
      "embedded.hot-copy-mb-per-s",
      "embedded.hot-copy-put-share",
      "embedded.rss-mb",
      "embedded.txn-read10",
      "embedded.txn-rmw.64",
      "embedded.txn-rmw.64@sqlite",
      "embedded.txn-hot-key.64",
      "embedded.version-bytes",
      "server.txn-p99-ms.64",
      "recovery.replay-mb-per-s",
      "recovery.open-ms",
      "server.import-docs-per-s",
      "server.import-rss-mb",
      "server.start-ms",
      "server.loop-delay-max-ms",
      "server.get.1@redis",
      "server.get.64@redis",
      "server.get.512@redis",
      "server.put.1@redis",
      "server.put.64@redis",
      "server.put.512@redis",
    ]),
  );
});

test.each(suites.map(({ name }) => name))(
  "suite %s runs from end to end",
  async (name) => {
    let output = "";
    const exitCode = await bench([name, "--quick", "--peers", "none"], suites, {
      folder: tmpdir(),
      print: (text) => {
        output += text;
      },
      warn: () => undefined,
    });

    const { measures } = suites.find((suite) => suite.name === name)!;
    expect(exitCode).toBe(0);
    for (const { id } of measures) expect(output).toContain(id);
  },
  600_000, // seconds on an idle machine; minutes where every core is wanted by others
);
