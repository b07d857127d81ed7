import { runDataDriven } from "@kvs/sim";

import { type Message } from "../src/core/message.ts";
import { type RaftCore } from "../src/core/raft-core.ts";
import { type Replica } from "./replica.ts";
import { runCommand } from "./script-commands.ts";
import { Script } from "./script.ts";

/** A cluster led by hand from a test: the commands of script-commands.ts, and a look inside. */
export class Stage {
  readonly #script = new Script();
  /** All that was printed. */
  readonly printed: string[] = [];

  /** @param cluster What follows `cluster`: `nodes=3 preVote=off`. */
  constructor(cluster: string, mutants: readonly string[] = []) {
    this.do(`cluster ${cluster} mutants=(${mutants.join(",")})`);
  }

  /** Runs commands, one a line. Returns what the last one printed. */
  do(...lines: readonly string[]): string {
    let output = "";
    for (const line of lines) {
      runDataDriven(`${line}\n----\n`, (directive) => {
        output = runCommand(this.#script, directive);
        return output;
      });
      this.printed.push(output);
    }
    return output;
  }

  node(id: number): Replica {
    const replica = this.#script.replicas.find((each) => each.id === id);
    if (replica === undefined) throw new Error(`there is no node ${id}`);
    return replica;
  }

  core(id: number): RaftCore {
    return this.node(id).core;
  }

  /** Messages on their way. */
  messages<T extends Message["type"]>(
    type: T,
    where: { readonly from?: number; readonly to?: number } = {},
  ): Extract<Message, { readonly type: T }>[] {
    return this.#script.pool.filter(
      (message): message is Extract<Message, { readonly type: T }> =>
        message.type === type &&
        (where.from === undefined || message.from === where.from) &&
        (where.to === undefined || message.to === where.to),
    );
  }

  /** Hands a message over at once; it need not be on its way. */
  hand(message: Message): void {
    this.#script.inject(message);
    this.printed.push(this.#script.record(() => this.#script.deliver(message)));
  }

  /** Lets time pass for one node, as if its messages were all lost on the way out. */
  elect(id: number): void {
    this.do(`campaign n${id}`, "settle");
  }
}
