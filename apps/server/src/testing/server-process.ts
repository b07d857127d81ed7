import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** How a process ended, and all that it wrote. */
export interface Ending {
  /** `null` if a signal killed it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface ServerProcessOptions {
  readonly dataDir: string;
  /** Further flags. */
  readonly flags?: readonly string[];
  /** Instead of the caller's environment variables, without those of the server. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Small files and caches, so that many servers fit into a test; a free port. */
const TEST_FLAGS = ["--port", "0", "--memory", "16MB", "--wal-segment-size", "1MB"];

/** A real server in a process of its own, for tests: started on a free port, stopped by a signal. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #written: { stdout: string; stderr: string } = { stdout: "", stderr: "" };
  readonly #ended: Promise<Ending>;
  #port = 0;

  private constructor(options: ServerProcessOptions) {
    const flags = [...TEST_FLAGS, "--log-format", "json", "--data-dir", options.dataDir];
    this.#child = spawn(process.execPath, [mainFile(), ...flags, ...(options.flags ?? [])], {
      env: options.variables ?? variablesOfOthers(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name]!.setEncoding("utf8").on("data", (text: string) => {
        this.#written[name] += text;
      });
    }
    this.#ended = once(this.#child, "close").then(([exitCode]) => ({
      exitCode: exitCode as number | null,
      ...this.#written,
    }));
  }

  /** Starts a server and waits until it accepts requests. @throws {Error} if it ends before that. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options);
    server.#port = await server.#whenReady();
    return server;
  }

  /** Starts a server that is expected to refuse, and waits until it has ended. */
  static run(options: ServerProcessOptions): Promise<Ending> {
    return new ServerProcess(options).#ended;
  }

  get port(): number {
    return this.#port;
  }

  /** For `connect` and `--url`. */
  get url(): string {
    return `kvs://127.0.0.1:${this.#port}/default`;
  }

  /** The log so far. */
  get log(): readonly LogLine[] {
    const lines = this.#written.stdout.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** Sends a signal and waits for the end of the process. */
  stop(signal: "SIGTERM" | "SIGINT" | "SIGKILL" = "SIGTERM"): Promise<Ending> {
    this.#child.kill(signal);
    return this.#ended;
  }

  async #whenReady(): Promise<number> {
    let hasEnded = false;
    void this.#ended.then(() => (hasEnded = true));
    for (;;) {
      const ready = this.log.find(({ message }) => message === "ready");
      if (ready !== undefined) return (ready["context"] as { port: number }).port;
      if (hasEnded) throw new Error(`the server did not start: ${this.#written.stderr}`);
      await Promise.race([once(this.#child.stdout!, "data"), this.#ended]);
    }
  }
}

/** Beside this file's folder: a source, or what was built from it. */
function mainFile(): string {
  const name = import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js";
  return fileURLToPath(new URL(name, import.meta.url));
}

function variablesOfOthers(): Record<string, string | undefined> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith("KVS_"));
  return Object.fromEntries(entries);
}
