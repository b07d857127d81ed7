import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type HolderOrder, type HolderReport, type IdleKind } from "./idle-order.ts";

/** Idle connections to a server, held by a process of their own. */
export class IdleHolder implements AsyncDisposable {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = fork(new URL("idle-holder.ts", import.meta.url), {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: [],
    });
  }

  /** Opens so many more. Returns once each is open, and answered if it said hello, or refused. */
  open(port: number, kind: IdleKind, count: number): Promise<HolderReport> {
    return this.#order({ type: "open", port, kind, count });
  }

  /** Waits until the server has hung up on all but so many. */
  waitUntilOpen(untilOpen: number): Promise<HolderReport> {
    return this.#order({ type: "wait", untilOpen });
  }

  count(): Promise<HolderReport> {
    return this.#order({ type: "count" });
  }

  /** Hangs up, all at once. */
  close(): Promise<HolderReport> {
    return this.#order({ type: "close" });
  }

  /** Ends the process; what it holds goes with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.disconnect();
    await exited;
  }

  async #order(order: HolderOrder): Promise<HolderReport> {
    const exit = Promise.withResolvers<never>();
    const onExit = (): void => exit.reject(new Error("the holder of connections ended"));
    this.#process.once("exit", onExit);
    const answered = once(this.#process, "message") as Promise<[HolderReport]>;
    assert(this.#process.send(order), "an order reaches its process");
    const [report] = await Promise.race([answered, exit.promise]);
    this.#process.off("exit", onExit);
    return report;
  }
}
