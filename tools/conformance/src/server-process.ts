import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { SERVER_MAIN } from "./programs.ts";

/** A server in a process of its own, on a port that the system chose. */
export class ServerProcess {
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly port: number;

  private constructor(child: ChildProcess, exited: Promise<void>, port: number) {
    this.#process = child;
    this.#exited = exited;
    this.port = port;
  }

  /** Starts a server on the data in a folder, and waits until it is ready. */
  static async start(folder: string, ...more: string[]): Promise<ServerProcess> {
    const child = spawn(
      process.execPath,
      [SERVER_MAIN, "--port", "0", "--data-dir", folder, "--log-format", "json", ...more],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    // A test that fails leaves no server behind.
    const reap = (): void => void child.kill("SIGKILL");
    process.on("exit", reap);
    const exited = new Promise<void>((resolve) => {
      child.on("exit", () => {
        process.off("exit", reap);
        resolve();
      });
    });
    let complaints = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    const port = await Promise.race([
      readPort(child),
      exited.then(() => assert.fail(`the server did not start: ${complaints}`)),
    ]);
    return new ServerProcess(child, exited, port);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  url(database: string): string {
    return `kvs://127.0.0.1:${this.port}/${database}`;
  }

  /** Ends it as SIGKILL does: no instruction of its own runs any more. Returns once it is dead. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
    assert.throws(() => process.kill(this.pid, 0), { code: "ESRCH" }, "the process is gone");
    assert.equal(this.#process.signalCode, "SIGKILL");
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#exited;
    assert.equal(this.#process.exitCode, 0, "the server stops cleanly");
  }
}

/** Reads the log until it says that the server is ready; what follows is thrown away. */
function readPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: child.stdout! });
    lines.on("line", (line) => {
      const { message, context } = JSON.parse(line) as {
        readonly message: string;
        readonly context?: { readonly port?: number };
      };
      if (message === "ready" && context?.port !== undefined) resolve(context.port);
    });
  });
}
