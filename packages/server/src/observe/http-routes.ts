import { encodeUtf8 } from "@kvs/codec";
import { type HttpRequest, type HttpResponse } from "@kvs/env";
import { type HealthReport } from "./health.ts";

/** What the routes show. */
export interface RouteSources {
  readonly health: () => Promise<HealthReport>;
  /** Whether new requests are taken. */
  readonly isReady: () => boolean;
  /** All metrics, as text. */
  readonly metrics: () => string;
}

/**
 * Answers plain HTTP: `GET /health` (200, or 503 if unhealthy), `GET /ready` (200 or 503),
 * `GET /metrics`. All else is 404, and other methods 405.
 */
export async function answerHttp(
  request: HttpRequest,
  sources: RouteSources,
): Promise<HttpResponse> {
  const isKnown = ["/health", "/ready", "/metrics"].includes(request.path);
  if (!isKnown) return text(404, "there is /health, /ready and /metrics\n");
  if (request.method !== "GET") return text(405, "only GET\n", { allow: "GET" });
  switch (request.path) {
    case "/health": {
      const report = await sources.health();
      return json(report.status === "unhealthy" ? 503 : 200, report);
    }
    case "/ready":
      return sources.isReady() ? text(200, "ready\n") : text(503, "closing\n");
    default:
      return text(200, sources.metrics(), {
        "content-type": "text/plain; version=0.0.4; charset=utf-8",
      });
  }
}

function json(status: number, value: unknown): HttpResponse {
  const headers = new Map([["content-type", "application/json"]]);
  return { status, headers, body: encodeUtf8(`${JSON.stringify(value)}\n`) };
}

function text(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  const all = { "content-type": "text/plain; charset=utf-8", ...headers };
  return { status, headers: new Map(Object.entries(all)), body: encodeUtf8(body) };
}
