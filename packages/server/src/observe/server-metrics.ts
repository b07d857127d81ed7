import { REQUEST_KINDS, type RequestKind } from "@kvs/protocol";
import { type Counter, type Histogram, Metrics } from "./metrics.ts";

/** From 50 µs, a value in memory, to 10 s, the usual deadline. */
const SECONDS_BOUNDS = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
  2.5, 5, 10,
];

/** Codes counted by name; what more a database may throw is counted as `other`. */
const ERROR_CODES_MAX = 200;

/** What a server counts, and under which names. */
export class ServerMetrics {
  readonly registry: Metrics = new Metrics();
  readonly connections: Counter;
  readonly refusedConnections: Counter;
  readonly framesReceived: Counter;
  readonly framesSent: Counter;
  readonly bytesReceived: Counter;
  readonly bytesSent: Counter;
  readonly pauses: Counter;
  readonly expiredCursors: Counter;
  /** By the code of the request. */
  readonly #requests: readonly (Counter | undefined)[];
  readonly #seconds: readonly (Histogram | undefined)[];
  readonly #errors = new Map<string, Counter>();

  constructor() {
    const { registry } = this;
    const count = (name: string, help: string): Counter => registry.counter(name, help);
    this.connections = count("kvs_connections_total", "Connections accepted.");
    this.refusedConnections = count(
      "kvs_connections_failed_total",
      "Connections that the server ended because of what they did, or did not do.",
    );
    this.framesReceived = count("kvs_frames_received_total", "Frames read from clients.");
    this.framesSent = count("kvs_frames_sent_total", "Frames sent to clients.");
    this.bytesReceived = count("kvs_bytes_received_total", "Bytes of frames read from clients.");
    this.bytesSent = count("kvs_bytes_sent_total", "Bytes of frames sent to clients.");
    this.pauses = count("kvs_pauses_total", "Times that a connection was not read on purpose.");
    this.expiredCursors = count("kvs_cursors_expired_total", "Cursors closed because idle.");
    this.#requests = byCode(({ name }) =>
      registry.counter("kvs_requests_total", "Requests begun.", { request: name }),
    );
    this.#seconds = byCode(({ name }) =>
      registry.histogram({
        name: "kvs_request_duration_seconds",
        help: "From the arrival of a request's frame to its answer.",
        bounds: SECONDS_BOUNDS,
        labels: { request: name },
      }),
    );
  }

  /** Notes that `times` requests of a kind were begun. */
  requests(kind: RequestKind, times: number): void {
    this.#requests[kind.code]!.add(times);
  }

  /** Notes how long `times` requests of a kind took, each. */
  took(kind: RequestKind, ms: number, times: number): void {
    this.#seconds[kind.code]!.observe(ms / 1000, times);
  }

  /** Notes an error that was sent. */
  error(code: string): void {
    const isNew = !this.#errors.has(code);
    const name = isNew && this.#errors.size >= ERROR_CODES_MAX ? "other" : code;
    let counter = this.#errors.get(name);
    if (counter === undefined) {
      const help = "Errors sent to clients.";
      counter = this.registry.counter("kvs_errors_total", help, { code: name });
      this.#errors.set(name, counter);
    }
    counter.add();
  }
}

function byCode<T>(make: (kind: RequestKind) => T): readonly (T | undefined)[] {
  const made: (T | undefined)[] = Array.from({ length: 128 }, () => undefined);
  for (const kind of REQUEST_KINDS) made[kind.code] = make(kind);
  return made;
}
