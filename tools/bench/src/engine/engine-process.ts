import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@kvs/env";
import {
  type TaskName,
  type TaskParameters,
  type TaskRequest,
  type TaskResponse,
  type TaskResult,
} from "./engine-message.ts";

const PROGRAM = join(import.meta.dirname, "engine-host.ts");
/** What `kvs-server` is started with. */
const NODE_FLAGS = ["--max-semi-space-size=16"];

/** A store in a process of its own: see `EngineTasks`. */
export class EngineProcess {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  #isBusy = false;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#exited = once(process, "exit");
  }

  /** Starts a process whose store is, or will be, in this folder. The folder is made if absent. */
  static start(folder: string): EngineProcess {
    mkdirSync(folder, { recursive: true });
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    const parameters = [...NODE_FLAGS, PROGRAM, folder];
    return new EngineProcess(spawn(process.execPath, parameters, { stdio: [...stdio] }));
  }

  /** Starts a process, runs `body` with it, and ends the process, whatever becomes of `body`. */
  static async use<T>(folder: string, body: (engine: EngineProcess) => Promise<T>): Promise<T> {
    const engine = EngineProcess.start(folder);
    try {
      return await body(engine);
    } finally {
      await engine.kill();
    }
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /**
   * Has a task done.
   *
   * @throws Error if it failed, or the process ended meanwhile.
   */
  async call<Name extends TaskName>(
    task: Name,
    parameters: TaskParameters<Name>,
  ): Promise<TaskResult<Name>> {
    assert(!this.#isBusy, "a process does one task after the other");
    this.#isBusy = true;
    const answered = once(this.#process, "message");
    this.#process.send({ task, parameters } satisfies TaskRequest);
    const response = await Promise.race([answered, this.#exited.then(() => undefined)]);
    this.#isBusy = false;
    if (response === undefined) throw new Error(`the engine's process ended during ${task}`);
    const [answer] = response as [TaskResponse];
    if (answer.type === "failed") throw new Error(`${task} failed: ${answer.error}`);
    return answer.result as TaskResult<Name>;
  }

  /** Has a task done at whose end the process kills itself, and waits for that. */
  async callToDeath<Name extends TaskName>(
    task: Name,
    parameters: TaskParameters<Name>,
  ): Promise<void> {
    this.#process.send({ task, parameters } satisfies TaskRequest);
    const ended = this.#exited.then(() => this.#process.signalCode);
    const answered = once(this.#process, "message").then(([answer]) => JSON.stringify(answer));
    const outcome = await Promise.race([ended, answered]);
    if (outcome !== "SIGKILL") throw new Error(`${task} ended with ${outcome}`);
  }

  /** Ends the process as `kill -9` does, if it still runs. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }
}
