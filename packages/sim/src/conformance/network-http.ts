import { HTTP_BODY_MAX_BYTES, type HttpRequest, type HttpResponse, sleep } from "@kvs/env";
import { check, checkFails } from "./check.ts";
import { listenAt, type NetworkCase, type NetworkSubject, numberedFrame } from "./network-case.ts";

/** The promises about plain HTTP. */
export function httpCases(): NetworkCase[] {
  return [...exchangeCases(), ...failureCases(), ...limitCases()];
}

/** Serves with `handler`, lets `body` ask, and stops. `url` ends without "/". */
async function withHttp(
  subject: NetworkSubject,
  handler: ((request: HttpRequest) => HttpResponse | Promise<HttpResponse>) | undefined,
  body: (url: string) => Promise<void>,
): Promise<void> {
  const listener = await listenAt(subject, handler === undefined ? {} : { http: handler });
  await body(`http://${subject.host}:${listener.port}`);
  await listener.close();
}

function exchangeCases(): NetworkCase[] {
  return [
    {
      name: "a request arrives with method, path, query, headers and body, and so does the answer",
      run: async (subject) => {
        const seen: HttpRequest[] = [];
        const handler = (request: HttpRequest): HttpResponse => {
          seen.push(request);
          return {
            status: 201,
            headers: new Map([["X-Answer", "yes"]]),
            body: numberedFrame(2, 70_000),
          };
        };
        await withHttp(subject, handler, async (url) => {
          const response = await subject.client.request(`${url}/a/b?x=1&y=%20`, {
            method: "PUT",
            headers: new Map([["X-Question", "Why"]]),
            body: numberedFrame(1, 50_000),
          });
          check(seen.length === 1, "the handler runs once");
          const request = seen[0]!;
          check(request.method === "PUT" && request.path === "/a/b", "method and path arrive");
          check(request.query === "x=1&y=%20", "the query arrives, undecoded");
          check(request.headers.get("x-question") === "Why", "headers arrive in lower case");
          check(isSame(request.body, numberedFrame(1, 50_000)), "the body arrives");
          check(request.identity === undefined, "without TLS nobody is known");
          check(response.status === 201, "the status arrives");
          check(response.headers?.get("x-answer") === "yes", "headers come back in lower case");
          check(isSame(response.body, numberedFrame(2, 70_000)), "the body comes back");
        });
      },
    },
    {
      name: "a handler may take its time, and answers may overtake each other",
      run: async (subject) => {
        const order: string[] = [];
        const handler = async (request: HttpRequest): Promise<HttpResponse> => {
          while (request.path === "/slow" && order.length === 0) await sleep(subject.clock, 5);
          return { status: 200 };
        };
        await withHttp(subject, handler, async (url) => {
          const ask = async (path: string): Promise<void> => {
            const response = await subject.client.request(url + path);
            check(response.status === 200, "it is answered");
            order.push(path);
          };
          await Promise.all([ask("/slow"), ask("/fast")]);
          check(order.join() === "/fast,/slow", "the fast one does not wait for the slow one");
        });
      },
    },
    {
      name: "a request without body or query has an empty one of each",
      run: async (subject) => {
        let request: HttpRequest | undefined;
        const handler = (arrived: HttpRequest): HttpResponse => {
          request = arrived;
          return { status: 204 };
        };
        await withHttp(subject, handler, async (url) => {
          const response = await subject.client.request(`${url}/`);
          check(response.status === 204, "the status arrives");
          check(request?.method === "GET", "the method is GET unless said");
          check(request?.query === "" && request.body.length === 0, "nothing is invented");
        });
      },
    },
  ];
}

function failureCases(): NetworkCase[] {
  return [
    {
      name: "without a handler the status is 404; what a handler throws becomes status 500",
      run: async (subject) => {
        await withHttp(subject, undefined, async (url) => {
          check((await subject.client.request(url)).status === 404, "nobody answers there");
        });
        await withHttp(subject, throwing, async (url) => {
          for (const path of ["/now", "/later"]) {
            const response = await subject.client.request(url + path);
            check(response.status === 500, "a failure is a status");
            check((response.body?.length ?? 0) < 100, "and tells nothing of itself");
          }
        });
      },
    },
  ];
}

function limitCases(): NetworkCase[] {
  return [
    {
      name: "a body that is too long is status 413, and never reaches the handler",
      run: async (subject) => {
        let isCalled = false;
        const handler = (): HttpResponse => {
          isCalled = true;
          return { status: 200 };
        };
        await withHttp(subject, handler, async (url) => {
          const body = new Uint8Array(HTTP_BODY_MAX_BYTES + 1);
          const response = await subject.client.request(url, { method: "POST", body });
          check(response.status === 413, "the status is 413");
          check(!isCalled, "the handler does not see it");
        });
      },
    },
    {
      name: "an answer longer than allowed fails",
      run: async (subject) => {
        const body = new Uint8Array(1001);
        await withHttp(
          subject,
          () => ({ status: 200, body }),
          async (url) => {
            await checkFails({ code: "NET_TOO_LARGE", outcome: "unknown" }, () =>
              subject.client.request(url, { maxBodyBytes: 1000 }),
            );
            const response = await subject.client.request(url, { maxBodyBytes: 1001 });
            check(response.body?.length === 1001, "the limit itself is allowed");
          },
        );
      },
    },
    {
      name: "a request that is not answered in time fails, and nobody knows its effect",
      run: async (subject) => {
        const never = async (): Promise<HttpResponse> => {
          await sleep(subject.clock, 400);
          return { status: 200 };
        };
        await withHttp(subject, never, async (url) => {
          await checkFails({ code: "NET_TIMEOUT", outcome: "unknown" }, () =>
            subject.client.request(url, { timeoutMs: 50 }),
          );
        });
      },
    },
    {
      name: "a request to a port without listener is refused",
      run: async (subject) => {
        const listener = await listenAt(subject);
        await listener.close();
        await checkFails({ code: "NET_REFUSED" }, () =>
          subject.client.request(`http://${subject.host}:${listener.port}/`),
        );
      },
    },
  ];
}

function isSame(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left?.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Throws at once, or later. */
function throwing(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
  const error = new Error("secret");
  if (request.path === "/later") return Promise.reject(error);
  throw error;
}
