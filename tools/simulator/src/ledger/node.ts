import {
  type Connection,
  type Environment,
  type HttpRequest,
  type HttpResponse,
  isKvsError,
  sleep,
} from "@kvs/env";
import { Journal } from "./journal.ts";
import { LEDGER_FOLDER } from "./manifest.ts";
import { type Message, decodeMessage, encodeMessage } from "./message.ts";
import { decodeRecord } from "./record.ts";
import { readNotes, writeNotes } from "./notes.ts";
import { PeerSender } from "./peer-sender.ts";
import { LedgerStore } from "./store.ts";
import { watchClock } from "./watched-clock.ts";
import { LEDGER_PORT, type Witness } from "./witness.ts";

/** How often a node reads a record back, looks at its disk, and takes notes. */
const CHORES_INTERVAL_MS = 300;
/** A node looks this often whether its store still works. */
const HEALTH_INTERVAL_MS = 50;

/** What a node tells over HTTP. */
export interface LedgerStatus {
  readonly node: string;
  readonly epoch: number;
  readonly recordCount: number;
}

/**
 * The process of one node: keeps its clients' entries, and a copy of its peers' ledgers.
 *
 * @param peers The other nodes.
 * @returns Never, while all is well: it throws what ended the node.
 */
export async function runNode(
  outside: Environment,
  node: string,
  peers: readonly string[],
  witness: Witness,
): Promise<never> {
  const broke = (breach: string): void => witness.broke(`${node}: ${breach}`);
  const environment = { ...outside, clock: watchClock(outside.clock, broke) };
  const store = await LedgerStore.open(environment);
  witness.started(node, store.epoch, store.recovery);
  if ((await readNotes(environment)) === "torn") broke("torn notes have a checksum that fits");
  const journal = new Journal(environment, node, store, witness);
  await checkLock(environment, broke);
  const listener = await environment.network.listen({
    host: node,
    port: LEDGER_PORT,
    acceptsPath: (path) => path === "/client" || path === "/peer",
    connection: (connection) => serve(connection, journal, environment),
    http: (request) => answerStatus(request, { node, epoch: store.epoch, journal }),
  });
  const senders = peers.map((peer) => new PeerSender(environment, { node, peer, journal }));
  journal.onOwnRecord = () => {
    for (const sender of senders) sender.wake();
  };
  for (const sender of senders) void sender.run();
  try {
    return await watchStore(environment, { node, store, journal, witness });
  } finally {
    for (const sender of senders) sender.stop();
    await listener.close();
    await store.close();
  }
}

interface Watched {
  readonly node: string;
  readonly store: LedgerStore;
  readonly journal: Journal;
  readonly witness: Witness;
}

/** Looks after the store until it fails, and throws why. */
async function watchStore(environment: Environment, watched: Watched): Promise<never> {
  const { clock } = environment;
  let nextChoresMs = clock.monotonicMs() + CHORES_INTERVAL_MS;
  while (watched.store.failure === undefined) {
    await sleep(clock, HEALTH_INTERVAL_MS);
    if (clock.monotonicMs() < nextChoresMs) continue;
    nextChoresMs = clock.monotonicMs() + CHORES_INTERVAL_MS;
    await doChores(environment, watched).catch((error: unknown) => {
      // A bad moment of the disk, or a bad sector: the chores are not worth the node's life.
      if (!isKvsError(error, "DISK_IO", "DISK_FULL", "DISK_TOO_MANY_FILES")) throw error;
    });
  }
  throw watched.store.failure;
}

async function doChores(environment: Environment, watched: Watched): Promise<void> {
  const { node, store, journal, witness } = watched;
  await writeNotes(environment, { epoch: store.epoch, recordCount: journal.recordCount });
  const { freeBytes, totalBytes } = await environment.disk.space(LEDGER_FOLDER);
  if (freeBytes > totalBytes) witness.broke(`${node}: more space is free than there is`);
  const damaged = store.scrubSync();
  if (damaged !== undefined) witness.damaged(node, damaged);
}

/** The lock that the store holds keeps out everybody else, also this very process. */
async function checkLock(environment: Environment, broke: (what: string) => void): Promise<void> {
  try {
    const second = await environment.disk.lock(`${LEDGER_FOLDER}/lock`);
    await second.release();
    broke("a lock was given twice");
  } catch (error) {
    if (!isKvsError(error, "DISK_LOCKED", "DISK_IO", "DISK_FULL", "DISK_TOO_MANY_FILES"))
      throw error;
  }
}

function answerStatus(
  request: HttpRequest,
  { node, epoch, journal }: { node: string; epoch: number; journal: Journal },
): HttpResponse {
  if (request.method !== "GET" || request.path !== "/status") return { status: 404 };
  const status: LedgerStatus = { node, epoch, recordCount: journal.recordCount };
  return { status: 200, body: new TextEncoder().encode(JSON.stringify(status)) };
}

/** Serves one connection of a client or a peer. */
function serve(connection: Connection, journal: Journal, environment: Environment): void {
  const isTrusting = environment.hooks.hasMutant("env.ignore-frame-checksum");
  let origin: string | undefined;
  const sendHave = (): void => {
    if (origin === undefined) return;
    connection.send(encodeMessage({ type: "have", place: journal.placeOf(origin) }));
  };
  const receive = (message: Message): void => {
    if (message.type === "request") {
      const { client, request } = message;
      journal.request(client, request, message, (answer) => {
        connection.send(encodeMessage({ type: "answer", request, answer }));
      });
    } else if (message.type === "hello") {
      ({ origin } = message);
      sendHave();
    } else if (message.type === "record") {
      const record = decodeRecord(message.text);
      if (record === undefined) connection.close("discard");
      else {
        origin = record.origin;
        journal.replicate(message.previous, record).then(sendHave, () => {
          connection.close("discard"); // the origin tries again
        });
      }
    }
  };
  connection.start({
    frame: (bytes) => {
      const message = decodeMessage(bytes, isTrusting);
      if (message !== undefined) receive(message);
      else {
        environment.hooks.probe("env.frame-damaged");
        connection.close("discard");
      }
    },
    closed: () => undefined,
  });
}
