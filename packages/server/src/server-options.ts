import { assert } from "@kvs/env";
import {
  CURSORS_MAX,
  CURSOR_IDLE_MS,
  type DatabaseProvider,
  DEFAULT_PORT,
  FRAME_BYTES_MAX,
  HANDSHAKE_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  TRANSACTIONS_MAX,
} from "@kvs/protocol";
import { type HealthProbes } from "./observe/health.ts";
import { serverError } from "./server-error.ts";

export interface ServerOptions {
  /** Where databases come from. The server closes what it opened. */
  readonly databases: DatabaseProvider;
  /** Address to listen on. Default: `127.0.0.1`. Beyond loopback it needs `insecure`. */
  readonly host?: string;
  /** 0 to 65535; 0 lets the system choose. Default: 5000. */
  readonly port?: number;
  /** Listen beyond loopback although there is neither encryption nor login. Default: false. */
  readonly insecure?: boolean;
  /** Name of this node in health and handshakes. Default: `node-1`. */
  readonly nodeId?: string;
  /** What only the host of the server can tell about its health. */
  readonly probes?: HealthProbes;
  readonly limits?: Partial<ServerLimits>;
}

/** Every limit is a positive integer. */
export interface ServerLimits {
  /** Connections at once. Default: 10,000. */
  readonly connectionsMax: number;
  /** Databases open at once. Default: 100. */
  readonly databasesMax: number;
  /** Bytes of one frame. Default: 64 MiB + 64 KiB, one largest batch. */
  readonly frameBytesMax: number;
  /** Requests of one connection that wait for the database; beyond it the server stops reading. Default: 4096. */
  readonly connectionRequestsMax: number;
  /** Bytes of such requests of one connection. Default: 64 MiB. */
  readonly connectionBytesMax: number;
  /** Requests of all connections that wait; beyond it they are refused, `OVERLOADED`. Default: 65,536. */
  readonly requestsMax: number;
  /** Bytes of such requests of all connections. Default: 256 MiB. */
  readonly bytesMax: number;
  /** Open cursors of one connection. Default: 100. */
  readonly cursorsMax: number;
  /** A cursor not stepped for so long is closed. Default: 60,000. */
  readonly cursorIdleMs: number;
  /** Open transactions of one connection. Default: 1000. */
  readonly transactionsMax: number;
  /** A transaction that nobody used for so long is rolled back, even if its client asked for longer. Default: 600,000. */
  readonly transactionTimeoutMsMax: number;
  /** A connection without a HELLO for so long is closed. Default: 10,000. */
  readonly handshakeTimeoutMs: number;
  /** A connection without a frame for so long is closed; clients send heartbeats. Default: 60,000. */
  readonly idleTimeoutMs: number;
  /** A client that takes none of what waits for it for so long is hung up on. Default: 30,000. */
  readonly slowReaderMs: number;
  /** How long a client may take to hang up after the server did; then its socket is cut. Default: 5000. */
  readonly endingGraceMs: number;
  /** How long `close` waits for requests under way. Default: 10,000. */
  readonly closeGraceMs: number;
}

/** The limits where the options name none. */
export const DEFAULT_LIMITS: ServerLimits = {
  connectionsMax: 10_000,
  databasesMax: 100,
  frameBytesMax: FRAME_BYTES_MAX,
  connectionRequestsMax: 4096,
  connectionBytesMax: 64 << 20,
  requestsMax: 65_536,
  bytesMax: 256 << 20,
  cursorsMax: CURSORS_MAX,
  cursorIdleMs: CURSOR_IDLE_MS,
  transactionsMax: TRANSACTIONS_MAX,
  transactionTimeoutMsMax: 600_000,
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  idleTimeoutMs: IDLE_TIMEOUT_MS,
  slowReaderMs: 30_000,
  endingGraceMs: 5000,
  closeGraceMs: 10_000,
};

/** The options with every default filled in. */
export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly nodeId: string;
  readonly probes: HealthProbes;
  readonly limits: ServerLimits;
}

/**
 * Fills in defaults and checks.
 *
 * @throws {KvsError} `SERVER_INSECURE`.
 */
export function resolveOptions(options: ServerOptions): ServerSettings {
  const { host = "127.0.0.1", port = DEFAULT_PORT, nodeId = "node-1", probes = {} } = options;
  const limits: ServerLimits = { ...DEFAULT_LIMITS, ...options.limits };
  for (const limit of Object.values(limits) as number[]) {
    assert(Number.isSafeInteger(limit) && limit > 0, "every limit is a positive integer");
  }
  if (!isLoopback(host) && options.insecure !== true) {
    throw serverError(
      "SERVER_INSECURE",
      `${host} can be reached from other machines, and there is no encryption or login yet: ` +
        "whoever reaches the port can read and change everything. Listen on 127.0.0.1, or say " +
        "--insecure (option `insecure`) if every machine of the network is trusted",
      { details: { host } },
    );
  }
  return { host, port, nodeId, probes, limits };
}

/** Whether only this machine reaches the address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
