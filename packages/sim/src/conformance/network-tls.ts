import { type HttpRequest, type HttpResponse } from "@kvs/env";
import { check, checkFails, checkSoon } from "./check.ts";
import {
  listenAt,
  type NetworkCase,
  type NetworkSubject,
  type NetworkTlsSubject,
  numberedFrame,
  withPair,
} from "./network-case.ts";

/** The promises about TLS; they need `subject.tls`. */
export function tlsCases(): NetworkCase[] {
  return [
    tlsCase("both sides know whom they talk to", async (subject, tls) => {
      await withPair(
        subject,
        async ({ client, server }) => {
          client.connection.send(numberedFrame(0, 1000));
          const isDone = (): boolean => server.frames.length === 1;
          await checkSoon(subject.clock, "the frame arrives", isDone);
          const ofServer = client.connection.identity;
          const ofClient = server.connection.identity;
          check(ofServer?.commonName === tls.serverName, "the client knows the server");
          check(ofClient?.commonName === tls.clientName, "the server knows the client");
          const isPrint = /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/.test(ofClient?.fingerprint ?? "");
          check(isPrint, "a fingerprint is 32 pairs of digits");
        },
        { listen: { tls: tls.server }, connect: { tls: tls.client } },
      );
    }),
    tlsCase(
      "a client without certificate is nobody, unless one is required",
      async (subject, tls) => {
        const anonymous =
          tls.client.authority === undefined ? {} : { authority: tls.client.authority };
        await withPair(
          subject,
          ({ server }) => {
            check(server.connection.identity === undefined, "the server does not know the client");
            return Promise.resolve();
          },
          { listen: { tls: tls.server }, connect: { tls: anonymous } },
        );
        const required = { ...tls.server, requireClientCertificate: true };
        const listener = await listenAt(subject, { tls: required });
        const url = `wss://${subject.host}:${listener.port}/`;
        await checkFails({ code: "NET_TLS" }, () =>
          subject.client.connect(url, { tls: anonymous }),
        );
        await checkFails({ code: "NET_TLS" }, () =>
          subject.client.connect(url, { tls: tls.stranger }),
        );
        await listener.close();
      },
    ),
    tlsCase("a server for another name is not believed", async (subject, tls) => {
      const listener = await listenAt(subject, { tls: tls.server });
      const url = `wss://${subject.host}:${listener.port}/`;
      const other = { ...tls.client, serverName: "other.example" };
      await checkFails({ code: "NET_TLS" }, () => subject.client.connect(url, { tls: other }));
      await listener.close();
    }),
    tlsCase("a certificate or key that is none keeps a listener from starting", async (subject) => {
      const broken = { certificate: "", key: "" };
      await checkFails({ code: "NET_TLS" }, () => listenAt(subject, { tls: broken }));
    }),
    tlsCase("an HTTP handler knows the client, too", async (subject, tls) => {
      const names: (string | undefined)[] = [];
      const http = (request: HttpRequest): HttpResponse => {
        names.push(request.identity?.commonName);
        return { status: 200 };
      };
      const listener = await listenAt(subject, { tls: tls.server, http });
      const url = `https://${subject.host}:${listener.port}/`;
      const response = await subject.client.request(url, { tls: tls.client });
      check(response.status === 200, "the request is answered");
      check(names.join() === tls.clientName, "the handler knows the client");
      await listener.close();
    }),
  ];
}

function tlsCase(
  name: string,
  run: (subject: NetworkSubject, tls: NetworkTlsSubject) => Promise<void>,
): NetworkCase {
  return {
    name,
    needsTls: true,
    run: async (subject) => {
      check(subject.tls !== undefined, "cases of TLS are run with certificates");
      if (subject.tls !== undefined) await run(subject, subject.tls);
    },
  };
}
