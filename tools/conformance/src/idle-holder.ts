/**
 * A process that holds idle connections to a server, for tests that need thousands: each takes a
 * descriptor on either side. Started by `IdleHolder`, it answers every order with one report.
 */
import { type Socket, connect as connectTcp } from "node:net";
import { decodeDocument, encodeDocument } from "@kvs/codec";
import { type Connection, isKvsError } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { PROTOCOL_VERSION, RequestCode, WIRE_PATH, helloDocument } from "@kvs/protocol";
import { type HolderOrder, type HolderReport, type IdleKind } from "./idle-order.ts";
import { wait } from "./walks.ts";

/** Connections that are being opened at once: fewer than a port lets wait. */
const OPENING_MAX = 64;
const CONNECT_TIMEOUT_MS = 30_000;
const DATABASE = "default";
/** As clients do, lest the server hangs up after its minute of silence: on a machine so busy. */
const HEARTBEAT_MS = 20_000;

const { network } = createNodeEnvironment();
const open = new Set<Connection | Socket>();
let opened = 0;
let refused = 0;
/** How many were told this when the server hung up, or refused; "closed" if they were told nothing. */
const reasons: Record<string, number> = {};

process.on("message", (order: HolderOrder) => void obey(order).then(report));
process.on("disconnect", () => process.exit(0));

async function obey(order: HolderOrder): Promise<void> {
  switch (order.type) {
    case "open":
      await Promise.all(
        Array.from({ length: OPENING_MAX }, (_, lane) => openEach(order, lane, OPENING_MAX)),
      );
      break;
    case "wait":
      while (open.size > order.untilOpen) await wait(20);
      break;
    case "close":
      for (const held of open) {
        if ("close" in held) held.close();
        else held.destroy();
      }
      while (open.size > 0) await wait(20);
      break;
    case "count":
      break;
    default:
      throw new Error(`no such order: ${JSON.stringify(order satisfies never)}`);
  }
}

function report(): void {
  const answer: HolderReport = { opened, refused, open: open.size, reasons };
  process.send!(answer);
}

async function openEach(
  order: { readonly port: number; readonly count: number; readonly kind: IdleKind },
  lane: number,
  step: number,
): Promise<void> {
  for (let at = lane; at < order.count; at += step) {
    try {
      if (order.kind === "bare") await openBare(order.port);
      else await openFramed(order.port, order.kind === "silent");
      opened++;
    } catch (error) {
      refused++;
      note(isKvsError(error) ? `${error.code} ${error.details["status"] ?? ""}`.trim() : "none");
    }
  }
}

function note(reason: string): void {
  reasons[reason] = (reasons[reason] ?? 0) + 1;
}

/** A socket that never says a word. */
function openBare(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, "127.0.0.1", () => {
      open.add(socket);
      resolve();
    });
    socket.on("error", reject);
    socket.on("data", () => undefined); // read to its end, or it never closes
    socket.on("close", () => {
      if (open.delete(socket)) note("bare");
    });
  });
}

/** A connection that says hello and nothing more, or not even that. */
async function openFramed(port: number, saysHello: boolean): Promise<void> {
  const url = `ws://127.0.0.1:${port}${WIRE_PATH}`;
  const connection = await network.connect(url, { timeoutMs: CONNECT_TIMEOUT_MS });
  await new Promise<void>((resolve, reject) => {
    let told = "closed";
    connection.start({
      frame: (bytes) => {
        const [[id, status, code]] = decodeDocument(bytes) as [[number, number, string]];
        if (status !== 0) told = code;
        if (id !== 0) resolve();
      },
      closed: () => {
        if (open.delete(connection)) note(told);
        reject(new Error(told));
      },
    });
    open.add(connection);
    if (!saysHello) {
      resolve();
      return;
    }
    connection.send(helloFrame());
    const ping = encodeDocument([[2, RequestCode.PING, CONNECT_TIMEOUT_MS]]);
    setInterval(() => connection.send(ping.slice()), HEARTBEAT_MS);
  });
}

function helloFrame(): Uint8Array {
  const hello = { versions: [PROTOCOL_VERSION], database: DATABASE, client: "idle" };
  const request = [1, RequestCode.HELLO, CONNECT_TIMEOUT_MS, encodeDocument(helloDocument(hello))];
  return encodeDocument([request]);
}
