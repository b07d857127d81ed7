import { type Connection, type Environment, isKvsError, pick, sleep } from "@kvs/env";
import { type LedgerHistory } from "./ledger-history.ts";
import { type Answer, type Request, decodeMessage, encodeMessage } from "./message.ts";
import { type LedgerStatus } from "./node.ts";
import { type Entry } from "./record.ts";
import { watchClock } from "./watched-clock.ts";
import { LEDGER_PORT, type Witness, nodeUrl } from "./witness.ts";

/** A client waits so long for an answer. */
const ANSWER_MS = 800;
/** After so many answers in a row that did not come, a connection is taken for dead. */
const SILENT_ANSWERS_MAX = 2;
/** Attempts to have one entry kept, then the client gives up on it. */
const ATTEMPTS_MAX = 6;

/** Most of a record is its value, so that damage mostly hits what only a checksum protects. */
const VALUE_LENGTH = 64;

/** What a client is to do. */
export interface ClientPlan {
  readonly client: string;
  readonly nodes: readonly string[];
  /** What is left to do; outlives the client's processes. */
  readonly workload: { requestsLeft: number };
  /** Mean time between requests. */
  readonly thinkMs: number;
  /** Requests about the register, of all. */
  readonly registerShare: number;
  /** Requests that only read, of those about the register. */
  readonly readShare: number;
  /** Told of each request as it begins. */
  readonly onRequest: () => void;
}

/** The process of one client. Ends when it is done. */
export async function runClient(
  outside: Environment,
  plan: ClientPlan,
  witness: Witness,
  history: LedgerHistory,
): Promise<void> {
  const broke = (breach: string): void => witness.broke(`${plan.client}: ${breach}`);
  const environment = { ...outside, clock: watchClock(outside.clock, broke) };
  const client = new Client(environment, plan, witness, history);
  await client.greet();
  while (plan.workload.requestsLeft > 0) {
    plan.workload.requestsLeft--;
    await sleep(environment.clock, environment.random.nextFloat() * 2 * plan.thinkMs);
    await client.step();
  }
  client.close();
}

class Client {
  readonly #environment: Environment;
  readonly #plan: ClientPlan;
  readonly #witness: Witness;
  readonly #history: LedgerHistory;
  readonly #links: ReadonlyMap<string, NodeLink>;
  #request = 0;
  #process: number;

  constructor(
    environment: Environment,
    plan: ClientPlan,
    witness: Witness,
    history: LedgerHistory,
  ) {
    this.#environment = environment;
    this.#plan = plan;
    this.#witness = witness;
    this.#history = history;
    this.#process = history.newProcess();
    this.#links = new Map(
      plan.nodes.map((node) => [node, new NodeLink(environment, plan.client, node)]),
    );
  }

  /** Reads every register until each was read: proof that the history begins with nothing. */
  async greet(): Promise<void> {
    for (const node of this.#plan.nodes) {
      while (!(await this.#read(node))) await sleep(this.#environment.clock, 100);
    }
  }

  /** Does one thing. */
  async step(): Promise<void> {
    const { random } = this.#environment;
    // Half of all goes to one node: there clients meet, and see each other's doings.
    const node = random.chance(0.5) ? this.#plan.nodes[0]! : pick(random, this.#plan.nodes);
    this.#plan.onRequest();
    if (random.chance(0.05)) await this.#askStatus(node);
    else if (!random.chance(this.#plan.registerShare)) await this.#append(node);
    else if (random.chance(this.#plan.readShare)) await this.#read(node);
    else if (random.chance(0.6)) await this.#write(node);
    else await this.#compareAndSet(node);
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }

  /** Asks until the entry is kept: at least once, which the node turns into once. */
  async #append(node: string): Promise<void> {
    const { clock, random } = this.#environment;
    const entry = this.#newEntry("append");
    this.#witness.submitted(node, entry);
    const request: Request = { kind: "append", value: entry.value };
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const answer = await this.#ask(node, entry.request, request);
      if (answer.type === "done") {
        this.#witness.acknowledged(node, entry);
        return;
      }
      await sleep(clock, 50 * attempt * (1 + random.nextFloat()));
    }
  }

  async #read(node: string): Promise<boolean> {
    const call = this.#history.invoke(this.#process, { f: "read", value: [node, null] });
    const answer = await this.#ask(node, ++this.#request, { kind: "read" });
    if (answer.type === "done") call.ok([node, answer.value]);
    else call.fail(); // a read changes nothing, whatever became of it
    return answer.type === "done";
  }

  async #write(node: string): Promise<void> {
    const entry = this.#newEntry("set");
    this.#witness.submitted(node, entry);
    const call = this.#history.invoke(this.#process, { f: "write", value: [node, entry.value] });
    const answer = await this.#ask(node, entry.request, { kind: "write", value: entry.value });
    this.#complete(call, answer);
    if (answer.type === "done") this.#witness.acknowledged(node, entry);
  }

  /** Reads, then swaps if nobody else wrote in between. */
  async #compareAndSet(node: string): Promise<void> {
    const seen = await this.#ask(node, ++this.#request, { kind: "read" });
    if (seen.type !== "done") return;
    const entry = this.#newEntry("set");
    this.#witness.submitted(node, entry);
    const values = [seen.value, entry.value] as const;
    const call = this.#history.invoke(this.#process, { f: "cas", value: [node, values] });
    const request: Request = { kind: "cas", expected: seen.value, value: entry.value };
    const answer = await this.#ask(node, entry.request, request);
    this.#complete(call, answer);
    if (answer.type === "done") this.#witness.acknowledged(node, entry);
  }

  /** A node's word about itself must not fall behind what it acknowledged before. */
  async #askStatus(node: string): Promise<void> {
    const least = this.#witness.acknowledgedCount(node);
    try {
      const url = `http://${node}:${LEDGER_PORT}/status`;
      const response = await this.#environment.network.request(url, { timeoutMs: ANSWER_MS });
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      const text = new TextDecoder().decode(response.body);
      const status = JSON.parse(text) as LedgerStatus;
      this.#witness.reported(node, status.recordCount, least);
    } catch (error) {
      if (!isKvsError(error)) throw error;
    }
  }

  #complete(call: ReturnType<LedgerHistory["invoke"]>, answer: LinkAnswer): void {
    if (answer.type === "done") call.ok();
    else if (answer.type === "unknown") {
      call.info();
      this.#process = this.#history.newProcess();
    } else call.fail();
  }

  #newEntry(kind: Entry["kind"]): Entry {
    const request = ++this.#request;
    const noise = this.#environment.random.nextUint32().toString(36);
    const { client } = this.#plan;
    const value = `${client}.${request}.`.padEnd(VALUE_LENGTH, noise);
    return { client, request, kind, value };
  }

  #ask(node: string, number: number, request: Request): Promise<LinkAnswer> {
    return this.#links.get(node)!.ask(number, request);
  }
}

/** `unknown`: the question may have arrived, and what became of it nobody knows. */
type LinkAnswer = Answer | { readonly type: "unknown" };

/** A client's way to one node: a connection as long as it lasts, then another one. */
class NodeLink {
  readonly #environment: Environment;
  readonly #client: string;
  readonly #node: string;
  #connection: Connection | undefined;
  #silentAnswers = 0;
  #pending: { readonly number: number; readonly settle: (answer: LinkAnswer) => void } | undefined;

  constructor(environment: Environment, client: string, node: string) {
    this.#environment = environment;
    this.#client = client;
    this.#node = node;
  }

  /** Asks once. One question at a time. */
  async ask(number: number, request: Request): Promise<LinkAnswer> {
    let connection: Connection;
    try {
      connection = this.#connection ?? (await this.#connect());
    } catch (error) {
      if (!isKvsError(error)) throw error;
      return { type: "refused", reason: error.code };
    }
    const { clock } = this.#environment;
    const message = { type: "request", client: this.#client, request: number, ...request } as const;
    const answer = await new Promise<LinkAnswer>((resolve) => {
      const timer = clock.schedule(ANSWER_MS, () => resolve({ type: "unknown" }));
      this.#pending = {
        number,
        settle: (given) => {
          timer.cancel();
          resolve(given);
        },
      };
      connection.send(encodeMessage(message));
    });
    this.#pending = undefined;
    this.#silentAnswers = answer.type === "unknown" ? this.#silentAnswers + 1 : 0;
    if (this.#silentAnswers >= SILENT_ANSWERS_MAX) connection.close("discard");
    return answer;
  }

  close(): void {
    this.#connection?.close();
  }

  async #connect(): Promise<Connection> {
    const { network } = this.#environment;
    const url = nodeUrl(this.#node, "client");
    const connection = await network.connect(url, { timeoutMs: ANSWER_MS });
    this.#connection = connection;
    this.#silentAnswers = 0;
    connection.start({
      frame: (bytes) => {
        const message = decodeMessage(bytes);
        if (message === undefined) connection.close("discard");
        else if (message.type === "answer" && message.request === this.#pending?.number) {
          this.#pending.settle(message.answer);
        }
      },
      closed: () => {
        if (this.#connection !== connection) return;
        this.#connection = undefined;
        this.#pending?.settle({ type: "unknown" });
      },
    });
    return connection;
  }
}
