import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Sandbox } from "./sandbox.ts";
import { type Chore, type Phase, type WriterSettings, parseLine } from "./writer-settings.ts";

const WRITER_MAIN = fileURLToPath(new URL("./writer-main.ts", import.meta.url));
/** Of what a process complains about; the rest is dropped. */
const COMPLAINT_CHARACTERS_MAX = 4000;
/** How long a process may take for a step; the machine may be busy. */
const STEP_TIMEOUT_MS = 30_000;
const POLL_MS = 20;
const WRITING: readonly Phase[] = ["writing", "checkpoint", "copy", "rotation"];

export interface WriterOptions {
  readonly sandbox: Sandbox;
  /** A library loaded before all others, which may replace calls of the system. */
  readonly preload?: string | undefined;
  /** Whether it may end with an error of the store. Default: it may not. */
  readonly mayFail?: boolean;
}

/** A process that writes into a store, as the one that may kill it sees it. */
export class WriterProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #acknowledged: number[];
  readonly #waiting: { readonly phase: Phase; readonly resolve: () => void }[] = [];
  readonly #refusals = new Map<string, number>();
  readonly #chores = new Map<Chore, number>();
  readonly #violations: string[] = [];
  readonly #mayFail: boolean;
  #failure: string | undefined;
  #phase: Phase = "starting";
  #ackCount = 0;
  #complaint = "";
  #isKilled = false;

  private constructor(settings: WriterSettings, options: WriterOptions) {
    const { sandbox, preload } = options;
    this.#mayFail = options.mayFail === true;
    this.#acknowledged = [...settings.expected.acknowledged];
    this.#child = spawn(process.execPath, [WRITER_MAIN, JSON.stringify(settings)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...(preload !== undefined && { LD_PRELOAD: preload }) },
    });
    const forget = sandbox.later(() => void this.#child.kill("SIGKILL"));
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#hear(line));
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint = (this.#complaint + text).slice(0, COMPLAINT_CHARACTERS_MAX);
    });
    this.#ended = new Promise((resolve) => {
      // "close" comes when the pipes are read to their end, too.
      this.#child.on("close", () => {
        forget();
        this.#noteEnd();
        resolve();
      });
    });
  }

  static start(settings: WriterSettings, options: WriterOptions): WriterProcess {
    return new WriterProcess(settings, options);
  }

  /** What it is doing, or was doing when it ended. */
  get phase(): Phase {
    return this.#phase;
  }

  /** The newest batch of each caller that was answered as far as was heard. */
  get acknowledged(): readonly number[] {
    return this.#acknowledged;
  }

  /** Batches answered by this process. */
  get ackCount(): number {
    return this.#ackCount;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }

  /** Batches refused for now, by code. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }

  /** The codes of the error that ended it, if one did. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Chores that came to their end. */
  get chores(): ReadonlyMap<Chore, number> {
    return this.#chores;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits until it begins a phase, or ends. */
  async reach(phase: Phase): Promise<void> {
    if (this.#phase === phase) return;
    const reached = new Promise<void>((resolve) => {
      this.#waiting.push({ phase, resolve });
    });
    await Promise.race([reached, this.#ended]);
  }

  /** Whether its store is open and verified. */
  get isWriting(): boolean {
    return WRITING.includes(this.#phase);
  }

  /** Waits until something is so, the process ends, or that takes too long. */
  async until(isSo: () => boolean): Promise<void> {
    const begin = performance.now();
    while (!isSo() && !this.hasEnded && performance.now() - begin < STEP_TIMEOUT_MS) {
      await wait(POLL_MS);
    }
  }

  /** Ends it as SIGKILL does, and waits until all it said is heard. */
  async kill(): Promise<void> {
    if (!this.hasEnded) {
      this.#isKilled = true;
      this.#child.kill("SIGKILL");
    }
    await this.#ended;
  }

  #hear(text: string): void {
    const line = parseLine(text);
    switch (line.type) {
      case "phase":
        this.#enter(line.phase);
        break;
      case "ack":
        this.#acknowledged[line.caller] = line.number;
        if (this.#phase !== "verifying") this.#ackCount++;
        break;
      case "refused":
        this.#refusals.set(line.code, (this.#refusals.get(line.code) ?? 0) + 1);
        break;
      case "done":
        this.#chores.set(line.chore, (this.#chores.get(line.chore) ?? 0) + 1);
        break;
      case "failed":
        this.#failure = line.code;
        break;
      case "violation":
        this.#violations.push(line.text);
        break;
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    const reached = this.#waiting.filter((waiter) => waiter.phase === phase);
    for (const waiter of reached) {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      waiter.resolve();
    }
  }

  /** A writer ends only by being killed. */
  #noteEnd(): void {
    if (this.#isKilled || this.#violations.length > 0) return;
    if (this.#mayFail && this.#failure !== undefined) return;
    const { exitCode, signalCode } = this.#child;
    const how = `exit code ${exitCode}, signal ${signalCode}`;
    this.#violations.push(`the writer ended while ${this.#phase} (${how}): ${this.#complaint}`);
  }
}

/**
 * What can have been called for when a process died: at most one batch of each caller is in doubt. A
 * process that was cut off before it said what it found adds none, for it did not write.
 */
export function askedAfter(acknowledged: readonly number[]): number[] {
  return acknowledged.map((number) => number + 1);
}
