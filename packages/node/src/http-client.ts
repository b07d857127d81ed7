import {
  HTTP_BODY_MAX_BYTES,
  type HttpRequestOptions,
  type HttpResponse,
  type KvsError,
  type NetworkErrorCode,
} from "@kvs/env";
import * as http from "node:http";
import * as https from "node:https";
import { headerMap, joinBytes } from "./http-message.ts";
import { fromSocketError, networkError } from "./network-error.ts";
import { clientTlsOptions } from "./tls-options.ts";

const REQUEST_TIMEOUT_MS = 5000;

/**
 * Sends one request over a connection of its own and reads the whole answer. Redirects are not
 * followed.
 *
 * @throws {KvsError} See `Network.request`. The outcome is "none" until the connection stood, and
 *   "unknown" from then on.
 */
export function httpRequest(url: string, options: HttpRequestOptions): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const maxBodyBytes = options.maxBodyBytes ?? HTTP_BODY_MAX_BYTES;
    const exchange = new Exchange(url, maxBodyBytes, { resolve, reject });
    try {
      exchange.begin(options);
    } catch (error) {
      reject(fromSocketError(error, { target: url })); // a key or certificate that is none
    }
  });
}

interface Settle {
  readonly resolve: (response: HttpResponse) => void;
  readonly reject: (error: unknown) => void;
}

class Exchange {
  readonly #url: string;
  readonly #maxBodyBytes: number;
  readonly #settle: Settle;
  #request: http.ClientRequest | undefined;
  #isConnected = false;
  #isSettled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, maxBodyBytes: number, settle: Settle) {
    this.#url = url;
    this.#maxBodyBytes = maxBodyBytes;
    this.#settle = settle;
  }

  begin(options: HttpRequestOptions): void {
    const target = URL.parse(this.#url);
    if (target?.protocol !== "http:" && target?.protocol !== "https:") {
      this.#fail("NET_UNREACHABLE", new Error("not an http: or https: URL"));
      return;
    }
    const isSecure = target.protocol === "https:";
    const request = (isSecure ? https : http).request(target, {
      ...(isSecure && clientTlsOptions(options.tls)),
      agent: false,
      method: options.method ?? "GET",
      headers: {
        ...Object.fromEntries(options.headers ?? []),
        "content-length": String(options.body?.length ?? 0),
      },
    });
    this.#request = request;
    request.on("socket", (socket) => {
      socket.once(isSecure ? "secureConnect" : "connect", () => {
        this.#isConnected = true;
      });
    });
    request.on("error", (error) => this.#failBy(error));
    request.on("response", (response) => this.#read(response));
    const timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#timer = setTimeout(() => this.#fail("NET_TIMEOUT", undefined), timeoutMs);
    request.end(options.body);
  }

  #read(response: http.IncomingMessage): void {
    const pieces: Uint8Array[] = [];
    let bodyBytes = 0;
    response.on("data", (piece: Uint8Array) => {
      bodyBytes += piece.length;
      if (bodyBytes > this.#maxBodyBytes) this.#fail("NET_TOO_LARGE", undefined);
      else pieces.push(piece);
    });
    response.on("error", (error) => this.#failBy(error));
    response.on("end", () => {
      if (!this.#end()) return; // what follows a refusal is no answer
      this.#settle.resolve({
        status: response.statusCode ?? 0,
        headers: headerMap(response.headers),
        body: joinBytes(pieces, bodyBytes),
      });
    });
  }

  #fail(code: NetworkErrorCode, cause: unknown): void {
    this.#reject(networkError(code, { ...this.#fault(), ...(cause !== undefined && { cause }) }));
  }

  #failBy(error: unknown): void {
    this.#reject(fromSocketError(error, this.#fault()));
  }

  #reject(error: KvsError<NetworkErrorCode>): void {
    if (!this.#end()) return;
    this.#settle.reject(error);
    this.#request?.destroy();
  }

  /** Whether this is the first end of the exchange: only that one counts. */
  #end(): boolean {
    const isFirst = !this.#isSettled;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    return isFirst;
  }

  #fault(): { target: string; outcome: "none" | "unknown" } {
    return { target: this.#url, outcome: this.#isConnected ? "unknown" : "none" };
  }
}
