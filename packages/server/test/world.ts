import { encodeUtf8 } from "@kvs/codec";
import { type Environment, sleep } from "@kvs/env";
import { type DatabaseProvider } from "@kvs/protocol";
import { openEngine } from "@kvs/query/engine";
import { Simulation, type SimulationOptions } from "@kvs/sim";
import { Server } from "../src/server.ts";
import { type ServerOptions } from "../src/server-options.ts";
import {
  type MemoryDatabase,
  MemoryDatabases,
  type MemoryOptions,
  MemoryStorage,
} from "../src/testing/memory-database.ts";
import { Peer } from "./peer.ts";

export interface WorldOptions extends Partial<SimulationOptions> {
  readonly server?: Partial<ServerOptions>;
  readonly memory?: MemoryOptions;
  /** Makes a database that was opened behave otherwise. */
  readonly change?: (database: MemoryDatabase) => void;
  /** Whether databases are those of the real engine: with transactions. Default: false. */
  readonly isReal?: boolean;
}

/** A server on the host `server`, and a body that runs on the host `client`. */
export interface World {
  readonly simulation: Simulation;
  /** Of the client. */
  readonly environment: Environment;
  readonly server: Server;
  readonly databases: MemoryDatabases;
  readonly storage: MemoryStorage;
  /** Opens a connection; says hello unless told not to. */
  readonly peer: (options?: {
    readonly hello?: boolean;
    readonly database?: string;
  }) => Promise<Peer>;
  /** The value of a series of the metrics, by its name and labels as they are printed. */
  readonly metric: (series: string) => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Runs a body beside a server, in virtual time, until the body ends. */
export async function withServer(
  options: WorldOptions,
  body: (world: World) => Promise<void>,
): Promise<Simulation> {
  const { server: serverOptions, memory, change, isReal, ...simulationOptions } = options;
  const simulation = new Simulation({ seed: 1, ...simulationOptions });
  const storage = memory?.storage ?? new MemoryStorage();
  let server: Server | undefined;
  let databases: MemoryDatabases | undefined;
  const isStarted = (): boolean => server !== undefined;
  let isDone = false;
  simulation.addHost("server", {
    main: async (environment) => {
      const opened = new MemoryDatabases(environment, { ...memory, storage });
      databases = opened;
      const provider: DatabaseProvider = {
        open: async (name) => {
          const database = await opened.open(name);
          change?.(database);
          return database;
        },
      };
      server = await Server.start(environment, {
        databases: isReal === true ? await openReal(environment) : provider,
        host: "server",
        insecure: true,
        ...serverOptions,
      });
    },
  });
  simulation.addHost("client", {
    main: async (environment) => {
      while (!isStarted()) await sleep(environment.clock, 1);
      const started = server!;
      await body({
        simulation,
        environment,
        server: started,
        databases: databases!,
        storage,
        peer: (peerOptions) => Peer.open(environment, peerOptions),
        metric: (series) => readMetric(started, series),
        sleep: (ms) => sleep(environment.clock, ms),
      });
      isDone = true;
    },
  });
  await simulation.run({ until: () => isDone, untilMs: 600_000 });
  if (!isDone) throw new Error("the body did not end within ten virtual minutes");
  return simulation;
}

async function openReal(environment: Environment): Promise<DatabaseProvider> {
  const options = { path: "data", memoryBytes: 1 << 20, segmentBytes: 1 << 20 };
  return (await openEngine(environment, options)).engine;
}

function readMetric(server: Server, series: string): number {
  for (const line of server.metrics().split("\n")) {
    if (line.startsWith(`${series} `)) return Number(line.slice(series.length + 1));
  }
  throw new Error(`there is no series ${series}`);
}

/** The encoded key that is this text. */
export function keyOf(text: string): Uint8Array {
  return new Uint8Array([0x40, ...encodeUtf8(text), 0]);
}
