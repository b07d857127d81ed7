import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@kvs/client";
import { ServerProcess } from "../src/server-process.ts";
import { testSubject } from "./test-subject.ts";

let folder = "";
let server: ServerProcess;

testSubject({
  async start() {
    folder = await mkdtemp(join(tmpdir(), "kvs-conformance-"));
    server = await ServerProcess.start(folder);
  },
  async stop() {
    await server.stop();
    await rm(folder, { recursive: true });
  },
  newStore: async (caseNumber) => ({
    database: `case-${caseNumber}`,
    open: (database) => connect(server.url(database)),
    isLasting: true,
    isShared: true,
  }),
});
