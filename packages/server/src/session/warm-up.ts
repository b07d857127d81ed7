import {
  type CloseReason,
  type Connection,
  type ConnectionHandlers,
  type Environment,
  TurnBudget,
  assert,
} from "@kvs/env";
import {
  type DocumentObject,
  type DocumentValue,
  decodeDocument,
  encodeDocument,
  encodeKey,
} from "@kvs/codec";
import {
  type DatabaseProvider,
  DEFAULT_DATABASE,
  PROTOCOL_VERSION,
  REQUEST_TIMEOUT_MS,
  RequestCode,
  helloDocument,
} from "@kvs/protocol";
import { ServerMetrics } from "../observe/server-metrics.ts";
import { OpenDatabases } from "../open-databases.ts";
import { DEFAULT_LIMITS } from "../server-options.ts";
import { Admission } from "./admission.ts";
import { AnswerFlusher } from "./outbox.ts";
import { Session } from "./session.ts";

/** Documents of one insertion: what clients send at once. */
const DOCUMENTS = 256;
/** Writes and reads of keys in one frame. */
const KEYS = 32;
/** Rounds at most: by then the compiler has seen enough of each path. */
const ROUNDS_MAX = 20;

/**
 * Takes a session through requests of the common kinds, so that the first clients meet code that is
 * compiled: else their first batches cost four times as much, in one turn each.
 *
 * @param databases Scratch databases: what is written stays in them. They are not closed.
 * @param limitMs How long it may take; it ends with the round that reaches this.
 * @returns The rounds made.
 */
export async function warmUp(
  environment: Environment,
  databases: DatabaseProvider,
  limitMs: number,
): Promise<number> {
  const { clock } = environment;
  const endMs = clock.monotonicMs() + limitMs;
  const client = new InnerClient();
  const session = new Session(
    {
      environment,
      nodeId: "warm-up",
      limits: DEFAULT_LIMITS,
      databases: new OpenDatabases(databases, 1),
      admission: new Admission(DEFAULT_LIMITS.requestsMax, DEFAULT_LIMITS.bytesMax),
      metrics: new ServerMetrics(),
      flusher: new AnswerFlusher(clock),
      budget: new TurnBudget(clock),
      isClosing: () => false,
      over: () => undefined,
      crash: (error) => client.fail(error),
    },
    client,
  );
  const hello = { versions: [PROTOCOL_VERSION], database: DEFAULT_DATABASE, client: "warm-up" };
  await client.ask([[RequestCode.HELLO, encodeDocument(helloDocument(hello))]]);
  let rounds = 0;
  for (; rounds < ROUNDS_MAX && clock.monotonicMs() < endMs; rounds++) {
    for (const requests of requestsOfRound(rounds)) await client.ask(requests);
  }
  client.hangUp();
  assert(session.inFlightCount === 0, "every request of the warm-up was answered");
  return rounds;
}

type Request = readonly [code: RequestCode, ...fields: readonly DocumentValue[]];

/** Frames of requests as clients send them, one after the other. */
function requestsOfRound(round: number): readonly (readonly Request[])[] {
  const documents = Array.from({ length: DOCUMENTS }, (_, at) => sampleDocument(round, at));
  const keys = Array.from({ length: KEYS }, (_, at) => encodeKey(["warm-up", round, at]));
  const value = encodeDocument({ round, text: "a value as others are" });
  const insert: Request = [
    RequestCode.INSERT,
    "places",
    documents.map((each) => encodeDocument(each)),
  ];
  const query = encodeDocument({ filter: { country: "CH", rank: { $gt: 0 } }, limit: 10 });
  return [
    [insert],
    keys.map((key): Request => [RequestCode.PUT, key, value, null, null]),
    [
      ...keys.map((key): Request => [RequestCode.GET, key]),
      [RequestCode.FIND, "places", query, 10],
      [RequestCode.FETCH, "places", `${round}:1`],
    ],
  ];
}

function sampleDocument(round: number, at: number): DocumentObject {
  return {
    _id: `${round}:${at}`,
    name: `Place ${at}`,
    country: at % 8 === 0 ? "CH" : "LI",
    rank: at,
    position: { lat: 47.1 + at, lng: 9.5 },
    tags: ["warm", "up"],
    isCapital: at === 0,
  };
}

/** The other end of a connection that never leaves the process. */
class InnerClient implements Connection {
  readonly id = 0;
  readonly remote = { host: "", port: 0 };
  readonly path = "";
  readonly identity = undefined;
  readonly bufferedBytes = 0;
  #handlers: ConnectionHandlers | undefined;
  #lastId = 0;
  #unanswered = 0;
  #answered: PromiseWithResolvers<void> | undefined;

  start(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
  }

  /** Sends requests as one frame, and waits until all are answered. */
  ask(requests: readonly Request[]): Promise<void> {
    assert(this.#handlers !== undefined, "a session starts its connection");
    this.#unanswered = requests.length;
    this.#answered = Promise.withResolvers<void>();
    const messages = requests.map(([code, ...fields]) => [
      ++this.#lastId,
      code,
      REQUEST_TIMEOUT_MS,
      ...fields,
    ]);
    this.#handlers.frame(encodeDocument(messages));
    return this.#answered.promise;
  }

  send(frame: Uint8Array): boolean {
    const answers = decodeDocument(frame) as readonly (readonly DocumentValue[])[];
    for (const [, status, code] of answers) {
      if (status !== 0)
        this.fail(new Error(`a request of the warm-up failed: ${JSON.stringify(code)}`));
    }
    this.#unanswered -= answers.length;
    if (this.#unanswered === 0) this.#answered?.resolve();
    return true;
  }

  fail(error: unknown): void {
    this.#answered?.reject(error);
  }

  pause(): void {
    // Nothing is sent before the last answer came.
  }

  resume(): void {
    // As above.
  }

  close(): void {
    this.fail(new Error("the server hung up on its warm-up"));
  }

  hangUp(reason: CloseReason = "remote"): void {
    this.#handlers?.closed(reason);
  }
}
