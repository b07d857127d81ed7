import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Redis } from "ioredis";
import { ensureProgram } from "../debian.ts";

/** Redis with every write synced before it is answered, and one client that gathers requests. */
export class RedisServer {
  readonly client: Redis;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, client: Redis) {
    this.#process = process;
    this.client = client;
  }

  /** @returns Why there is none, if the program is missing and cannot be installed. */
  static async start(dataFolder: string): Promise<RedisServer | string> {
    const missing = ensureProgram("redis-server", "redis-server");
    if (missing !== undefined) return missing;
    const port = await freePort();
    const settings = {
      bind: "127.0.0.1",
      port: String(port),
      dir: dataFolder,
      save: "",
      appendonly: "yes",
      appendfsync: "always",
    };
    const parameters = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const server = spawn("redis-server", parameters, { stdio: "ignore" });
    const client = new Redis({ host: "127.0.0.1", port, enableAutoPipelining: true });
    client.on("error", () => undefined); // it tries again until the server listens
    await client.ping();
    return new RedisServer(server, client);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async stop(): Promise<void> {
    this.client.disconnect();
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await ended;
  }
}

/** A port that nobody listens on right now. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
