import { type Environment, type TestHooks, type Trace, noTestHooks, noTrace } from "@kvs/env";
import { nodeCiphers } from "./node-ciphers.ts";
import { NodeClock } from "./node-clock.ts";
import { nodeCompressors } from "./node-compressors.ts";
import { NodeDisk } from "./node-disk.ts";
import { NodeRandom } from "./node-random.ts";
import { WsNetwork } from "./ws-network.ts";

export interface NodeEnvironmentOptions {
  /** The directory that relative paths start from. Default: the current directory, now. */
  readonly root?: string;
  /** Where events go. Default: nowhere. */
  readonly trace?: Trace;
  /** Default: no rare branches, no sabotage. */
  readonly hooks?: TestHooks;
}

/**
 * The real world: the host's clock, files, sockets and generator, OpenSSL and zlib.
 *
 * Make one for a process and pass it to everything. It holds nothing open by itself: files, locks,
 * listeners, connections and timers belong to whoever made them.
 */
export function createNodeEnvironment(options: NodeEnvironmentOptions = {}): Environment {
  const trace = options.trace ?? noTrace;
  return {
    clock: new NodeClock(),
    random: new NodeRandom(),
    disk: new NodeDisk(options.root ?? process.cwd(), trace),
    network: new WsNetwork(trace),
    ciphers: nodeCiphers,
    compressors: nodeCompressors,
    trace,
    hooks: options.hooks ?? noTestHooks,
  };
}
