/** The README's counter as three processes, which are typed at and killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";

const SELVES = [1, 2, 3] as const;
const PATIENCE_MS = 30_000;
const POLL_MS = 25;

export class CounterCluster {
  readonly #file: string;
  readonly #folder: string;
  readonly #processes: Map<number, ChildProcess> = new Map();
  /** What each process printed since its start. */
  readonly #printed: Map<number, string> = new Map();

  private constructor(file: string, folder: string) {
    this.#file = file;
    this.#folder = folder;
  }

  static async start(file: string, folder: string): Promise<CounterCluster> {
    const source = await readFile(file, "utf8");
    await writeFile(file, source.replace("7000", String(await findFreePorts())));
    const cluster = new CounterCluster(file, folder);
    for (const self of SELVES) cluster.start(self);
    return cluster;
  }

  start(self: number): void {
    const args = ["--disable-warning=ExperimentalWarning", this.#file, String(self)];
    const child = spawn(process.execPath, args, { cwd: this.#folder });
    this.#processes.set(self, child);
    this.#printed.set(self, "");
    const note = (bytes: Buffer): void => {
      this.#printed.set(self, this.#printed.get(self) + bytes.toString("utf8"));
    };
    child.stdout.on("data", note);
    child.stderr.on("data", note);
  }

  kill(self: number): void {
    this.#processes.get(self)!.kill("SIGKILL");
    this.#processes.delete(self);
  }

  /** Types a number into all of them, until the one that leads has done it. Returns who did. */
  async add(amount: number): Promise<number> {
    return await this.#until(`${amount} is added`, async () => {
      for (const [self, child] of this.#processes) {
        const before = this.#printed.get(self)!.length;
        child.stdin!.write(`${amount}\n`);
        const answer = await this.#until("an answer", () => {
          const news = this.#printed.get(self)!.slice(before);
          return Promise.resolve(/done by|RAFT_\w+/.exec(news)?.[0]);
        });
        if (answer === "done by") return self;
        if (answer !== "RAFT_NOT_LEADER") throw new Error(`unexpected: ${answer}`);
      }
      return undefined;
    });
  }

  async everybodyShows(value: number): Promise<void> {
    await this.#until(`all show ${value}`, () => {
      const texts = SELVES.map((self) => this.#printed.get(self)!);
      const isShown = texts.every((text) => text.trimEnd().endsWith(`counter ${value}`));
      const isDone = texts.every((text) => new RegExp(`counter ${value}\\b`).test(text));
      return Promise.resolve(isShown || isDone ? true : undefined);
    });
  }

  async stop(): Promise<void> {
    const ended = [...this.#processes.values()].map(async (child) => {
      if (child.exitCode !== null) return;
      await new Promise((resolve) => {
        child.once("close", resolve);
        child.kill("SIGKILL");
      });
    });
    await Promise.all(ended);
  }

  async #until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (let waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`not in time: ${what}\n${JSON.stringify([...this.#printed])}`);
  }
}

/** A base such that the ports of all members are free now. */
async function findFreePorts(): Promise<number> {
  for (let base = 21_000 + (process.pid % 1000) * 10; ; base += 10) {
    const free = await Promise.all(SELVES.map((self) => isFree(base + self)));
    if (free.every(Boolean)) return base;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
