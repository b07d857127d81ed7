import { type Suite } from "./suite.ts";
import { embeddedSuite } from "./suites/embedded.ts";
import { nodeSuite } from "./suites/node.ts";
import { raftSuite } from "./suites/raft.ts";
import { recoverySuite } from "./suites/recovery.ts";
import { serverSuite } from "./suites/server.ts";
import { simSuite } from "./suites/sim.ts";

/** Every suite there is. A new one is a file in `suites` and a line here. */
export const suites: readonly Suite[] = [
  simSuite,
  nodeSuite,
  embeddedSuite,
  recoverySuite,
  raftSuite,
  serverSuite,
];
