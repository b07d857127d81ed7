import { REQUEST_TIMEOUT_MS, REQUEST_TIMEOUT_MS_MAX, protocolError } from "@kvs/protocol";

export interface ClientOptions {
  /**
   * Milliseconds until a request is given up, waiting for a connection and repetitions included, 1
   * to 2^31 - 1. Default: 10,000.
   */
  readonly timeoutMs?: number;
  /** Milliseconds until an attempt to connect is given up. Default: 5000. */
  readonly connectTimeoutMs?: number;
  /**
   * Connections to the server, 1 to 16. Requests that are not awaited before the next keep their
   * order only on one. Default: 1.
   */
  readonly connections?: number;
  /** A name for the server's log, up to 128 characters. Default: `kvs-client`. */
  readonly name?: string;
  /** Requests that wait for their answers; the next is refused, `OVERLOADED`. Default: 65,536. */
  readonly requestsMax?: number;
  /** Bytes of such requests. Default: 256 MiB. */
  readonly bytesMax?: number;
}

/** The options with every default filled in. */
export type ClientSettings = Required<ClientOptions>;

const CONNECTIONS_MAX = 16;

/** @throws {KvsError} `BAD_OPTION`. */
export function resolveClientOptions(options: ClientOptions): ClientSettings {
  const settings: ClientSettings = {
    timeoutMs: options.timeoutMs ?? REQUEST_TIMEOUT_MS,
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    connections: options.connections ?? 1,
    name: options.name ?? "kvs-client",
    requestsMax: options.requestsMax ?? 65_536,
    bytesMax: options.bytesMax ?? 256 << 20,
  };
  checkRange("timeoutMs", settings.timeoutMs, REQUEST_TIMEOUT_MS_MAX);
  checkRange("connectTimeoutMs", settings.connectTimeoutMs, REQUEST_TIMEOUT_MS_MAX);
  checkRange("connections", settings.connections, CONNECTIONS_MAX);
  checkRange("requestsMax", settings.requestsMax, 2 ** 24);
  checkRange("bytesMax", settings.bytesMax, Number.MAX_SAFE_INTEGER);
  return settings;
}

function checkRange(name: string, value: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return;
  const message = `the option ${name} is an integer from 1 to ${max}, not ${value}`;
  throw protocolError("BAD_OPTION", message, { details: { option: name, value, max } });
}
