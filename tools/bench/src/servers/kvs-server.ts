import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type ProbeReading } from "./probe-reading.ts";

const REPOSITORY = join(import.meta.dirname, "../../../..");
const PROGRAM = join(REPOSITORY, "apps/server/src/main.ts");
const PROBE = join(import.meta.dirname, "server-probe.ts");
/** What `npm start` and the program's first line say. */
const YOUNG_MEMORY = "--max-semi-space-size=16";
/** A server that is not ready by then never will be: recovery of the largest suite takes seconds. */
const READY_TIMEOUT_MS = 60_000;

/** The server as users run it, as a process of its own. */
export class KvsServer {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  /**
   * Starts a server on a free port of this machine and waits until it is ready.
   *
   * @param dataFolder Made if absent.
   */
  static async start(dataFolder: string): Promise<KvsServer> {
    const parameters = ["--port", "0", "--data-dir", dataFolder, "--log-format", "json"];
    const flags = [YOUNG_MEMORY, "--import", PROBE];
    const server = spawn(process.execPath, [...flags, PROGRAM, ...parameters], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    try {
      return new KvsServer(server, await readyPort(server));
    } catch (error) {
      server.kill("SIGKILL");
      throw error;
    }
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** The address of a database on it. */
  url(database: string): string {
    return `kvs://127.0.0.1:${this.port}/${database}`;
  }

  /** What its process measured since the last reading, or since its start. */
  async read(): Promise<ProbeReading> {
    this.#process.send("read");
    const [reading] = (await once(this.#process, "message")) as [ProbeReading];
    return reading;
  }

  /** Stops it in good order, and waits for its end. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`the server ended with code ${code}`);
  }
}

/** Reads its log until it tells its port; after that the log is only emptied. */
function readyPort(server: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const timeout = setTimeout(() => {
    reject(new Error(`the server was not ready after ${READY_TIMEOUT_MS} ms`));
  }, READY_TIMEOUT_MS);
  server.once("exit", (code) => reject(new Error(`the server ended with code ${code}`)));
  createInterface({ input: server.stdout! }).on("line", (text) => {
    const line = JSON.parse(text) as { message: string; context?: { port?: number } };
    if (line.message === "ready") resolve(line.context!.port!);
  });
  return promise.finally(() => clearTimeout(timeout));
}
