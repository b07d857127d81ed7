import { type Connection, type Environment, sleep } from "@kvs/env";
import { type Database } from "@kvs/protocol";
import { openEngine } from "@kvs/query/engine";
import { Server, type ServerOptions } from "@kvs/server";
import {
  type MemoryDatabase,
  MemoryDatabases,
  type MemoryOptions,
  MemoryStorage,
} from "@kvs/server/testing";
import { Simulation, type SimulationOptions } from "@kvs/sim";
import { type ClientOptions } from "../src/client-options.ts";
import { connectWith } from "../src/connect-with.ts";

export const SERVER_URL = "kvs://server/app";

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
  /** The server that runs now. */
  readonly server: () => Server;
  readonly storage: MemoryStorage;
  readonly connect: (options?: ClientOptions, url?: string) => Promise<Database>;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Starts a server on a host; `storage` outlives it. */
async function serve(
  environment: Environment,
  options: WorldOptions & { readonly storage: MemoryStorage },
): Promise<Server> {
  const { memory, storage, change, server, isReal } = options;
  if (isReal === true) {
    const { engine } = await openEngine(environment, { path: "data", memoryBytes: 1 << 20 });
    return Server.start(environment, {
      databases: engine,
      host: "server",
      insecure: true,
      ...server,
    });
  }
  const databases = new MemoryDatabases(environment, { ...memory, storage });
  return Server.start(environment, {
    databases: {
      open: async (name) => {
        const database = await databases.open(name);
        change?.(database);
        return database;
      },
    },
    host: "server",
    insecure: true,
    ...server,
  });
}

/** Runs a body beside a server, in virtual time, until the body ends. */
export async function withServer(
  options: WorldOptions,
  body: (world: World) => Promise<void>,
): Promise<Simulation> {
  const { server: _server, memory, change: _change, isReal, ...simulationOptions } = options;
  const storage = memory?.storage ?? new MemoryStorage();
  let server: Server | undefined;
  return runBeside(
    simulationOptions,
    async (environment) => {
      server = await serve(environment, { ...options, storage });
    },
    async (environment, simulation) => {
      if (isReal === true) await sleep(environment.clock, 1000); // it takes a while to open
      await body({
        simulation,
        environment,
        server: () => server!,
        storage,
        connect: (clientOptions, url = SERVER_URL) => connectWith(environment, url, clientOptions),
        sleep: (ms) => sleep(environment.clock, ms),
      });
    },
  );
}

/** A server that follows a script: `frame` is called for each frame that a client sends. */
export function withScript(
  script: (connection: Connection, frame: Uint8Array, count: number) => void,
  body: (environment: Environment) => Promise<void>,
): Promise<Simulation> {
  return runBeside(
    {},
    async ({ network }) => {
      await network.listen({
        host: "server",
        port: 5000,
        connection: (connection) => {
          let count = 0;
          connection.start({
            frame: (frame) => script(connection, frame, count++),
            closed: () => undefined,
          });
        },
      });
    },
    body,
  );
}

async function runBeside(
  options: Partial<SimulationOptions>,
  server: (environment: Environment) => Promise<void>,
  body: (environment: Environment, simulation: Simulation) => Promise<void>,
): Promise<Simulation> {
  const simulation = new Simulation({ seed: 1, ...options });
  let isDone = false;
  simulation.addHost("server", { main: server });
  simulation.addHost("client", {
    main: async (environment) => {
      await sleep(environment.clock, 1);
      await body(environment, simulation);
      isDone = true;
    },
  });
  await simulation.run({ until: () => isDone, untilMs: 600_000 });
  if (!isDone) throw new Error("the body did not end within ten virtual minutes");
  return simulation;
}

/** What the promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`expected a failure, got ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}
