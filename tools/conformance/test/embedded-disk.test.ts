import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "@kvs/query";
import { testSubject } from "./test-subject.ts";

let folder = "";

testSubject({
  async start() {
    folder = await mkdtemp(join(tmpdir(), "kvs-conformance-"));
  },
  stop: () => rm(folder, { recursive: true }),
  newStore: async (caseNumber) => ({
    database: "default",
    open: (database) => open(join(folder, String(caseNumber)), { database, segmentBytes: 1 << 20 }),
    isLasting: true,
  }),
});
