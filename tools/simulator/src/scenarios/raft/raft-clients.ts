import { type Environment, isKvsError, pick, sleep } from "@kvs/env";
import { type RaftNode } from "@kvs/raft";
import { encodeCommand } from "./command.ts";
import { type RaftFleet } from "./raft-fleet.ts";
import { type RegisterMachine } from "./register-machine.ts";

/** Clients of one process. */
const CLIENTS = 2;

interface ClientParts {
  readonly fleet: RaftFleet;
  readonly environment: Environment;
  readonly node: RaftNode;
  readonly machine: RegisterMachine | undefined;
}

/**
 * Clients that live in the process of a replica: they read there, wherever the leader is, and write if
 * it leads. A pause, a stall and a crash are theirs, too.
 */
export function runClients(parts: ClientParts): void {
  const { machine } = parts;
  if (machine === undefined) return;
  for (let at = 0; at < CLIENTS; at++) void new Client({ ...parts, machine }, at).run();
}

class Client {
  readonly #parts: ClientParts & { readonly machine: RegisterMachine };
  readonly #random: Environment["random"];
  #process: number;
  /** What was read last, for compare-and-set. */
  readonly #seen = new Map<string, number | null>();

  constructor(parts: ClientParts & { readonly machine: RegisterMachine }, at: number) {
    this.#parts = parts;
    this.#random = parts.environment.random.split(`client:${at}`);
    this.#process = parts.fleet.history.newProcess();
  }

  async run(): Promise<void> {
    const { fleet, environment, node } = this.#parts;
    const { knobs, history } = fleet;
    for (;;) {
      await sleep(environment.clock, knobs.thinkMs * (0.5 + this.#random.nextFloat()));
      if (!fleet.isBusy) continue;
      const key = pick(this.#random, knobs.keys);
      if (!history.hasRoom(key)) continue;
      const isWriter = node.role === "leader" && history.hasRead;
      if (isWriter && !this.#random.chance(knobs.readShare)) await this.#write(key);
      else if (isWriter || this.#random.chance(0.3)) await this.#read(key);
      if (node.failure !== undefined) return;
    }
  }

  async #read(key: string): Promise<void> {
    const { fleet, node, machine } = this.#parts;
    const { history, judge } = fleet;
    const call = history.invoke(this.#process, { f: "read", value: [key, null] });
    const floor = judge.maxCommitted;
    const isFollower = node.role !== "leader";
    try {
      const index = await node.readIndex();
      if (index < floor) judge.broke("reads are fresh", `at ${index}, ${floor} was committed`);
      if (machine.appliedIndex < index) judge.broke("reads wait for the state", `at ${index}`);
      const value = machine.read(key);
      this.#seen.set(key, value);
      call.ok([key, value]);
      history.hasRead = true;
      if (isFollower) judge.probe("read-on-follower");
    } catch (error) {
      if (!isKvsError(error)) throw error;
      if (error.code === "RAFT_READ_ABORTED") judge.probe("read-aborted");
      call.fail();
    }
  }

  async #write(key: string): Promise<void> {
    const { fleet, node, machine } = this.#parts;
    const { history, judge } = fleet;
    const value = history.newValue();
    const expected = this.#random.chance(0.4) ? this.#seen.get(key) : undefined;
    const payload = encodeCommand(
      expected === undefined ? { key, value } : { key, value, expected },
    );
    const call =
      expected === undefined
        ? history.invoke(this.#process, { f: "write", value: [key, value] })
        : history.invoke(this.#process, { f: "cas", value: [key, [expected, value]] });
    try {
      const index = await node.propose(payload);
      fleet.onAcknowledged(node, index, payload);
      if (machine.resultAt(index) === false) call.fail();
      else call.ok();
    } catch (error) {
      if (!isKvsError(error)) throw error;
      if (error.code === "RAFT_DROPPED") judge.probe("proposal-dropped");
      if (error.outcome === "none") {
        call.fail();
        return;
      }
      judge.probe("proposal-undecided");
      call.info();
      this.#process = history.newProcess();
    }
  }
}
