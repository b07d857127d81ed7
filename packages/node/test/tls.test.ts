import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import { beforeAll, describe, expect, test } from "vitest";
import { alternativeNames } from "../src/tls-options.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "./certificates.ts";
import { type Loopback, connectTo, frameOf, loopback, numberOf } from "./loopback.ts";

test("alternative names are split as they are written, quoted ones too", () => {
  expect(alternativeNames("")).toEqual([]);
  expect(alternativeNames("DNS:a.example, IP Address:10.0.0.1, URI:kvs://n/1")).toEqual([
    "DNS:a.example",
    "IP Address:10.0.0.1",
    "URI:kvs://n/1",
  ]);
  expect(alternativeNames('DNS:a, URI:"x, DNS:admin", DNS:b')).toEqual([
    "DNS:a",
    "URI:x, DNS:admin",
    "DNS:b",
  ]);
});

describe.skipIf(!hasOpenssl)("with certificates made by openssl", () => {
  let made: Certificates;
  beforeAll(() => {
    made = makeCertificates();
  });

  const tlsError = expect.objectContaining({ code: "NET_TLS", retryable: false });

  function secured(
    options: { mustIdentify?: boolean; believes?: boolean } = {},
  ): Promise<Loopback> {
    return loopback({
      tls: {
        ...made.server,
        ...(options.believes !== false && { authority: made.authority }),
        ...(options.mustIdentify === true && { requireClientCertificate: true }),
      },
      http: ({ identity }) => ({ status: 200, body: Buffer.from(identity?.commonName ?? "-") }),
      onFrame: (bytes, from) => void from.send(bytes),
    });
  }

  test("frames and requests travel encrypted", async () => {
    const server = await secured();
    const client = await connectTo(server, { tls: { authority: made.authority } });
    for (let at = 0; at < 100; at++) client.connection.send(frameOf(at, 5000));
    await client.until(({ frames }) => frames.length === 100);
    expect(client.frames.map(numberOf)).toEqual(Array.from({ length: 100 }, (_, at) => at));
    expect(client.connection.identity).toMatchObject({
      commonName: "server",
      alternativeNames: ["DNS:kvs.test", "IP Address:127.0.0.1"],
    });
    expect(server.served[0]!.connection.identity).toBe(undefined);
    const response = await server.network.request(server.url.replace("wss:", "https:"), {
      tls: { authority: made.authority },
    });
    expect([response.status, String(Buffer.from(response.body!))]).toEqual([200, "-"]);
  });

  test("a client's certificate tells the server who it is", async () => {
    const server = await secured({ mustIdentify: true });
    const tls = { authority: made.authority, ...made.client };
    await connectTo(server, { tls });
    expect(server.served[0]!.connection.identity).toEqual({
      commonName: "n1",
      alternativeNames: ["DNS:n1.kvs.test", "URI:kvs://node/n1"],
      fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
    });
    const url = server.url.replace("wss:", "https:");
    expect(String(Buffer.from((await server.network.request(url, { tls })).body!))).toBe("n1");
  });

  test("a certificate nobody vouches for identifies nobody", async () => {
    const server = await secured();
    await connectTo(server, { tls: { authority: made.authority, ...made.stranger } });
    expect(server.served[0]!.connection.identity).toBe(undefined);
  });

  test("without a certificate where one is required there is no connection", async () => {
    const server = await secured({ mustIdentify: true });
    const { authority } = made;
    for (const tls of [{ authority }, { authority, ...made.stranger }]) {
      await expect(server.network.connect(server.url, { tls })).rejects.toMatchObject({
        code: "NET_TLS",
      });
      const url = server.url.replace("wss:", "https:");
      await expect(server.network.request(url, { tls })).rejects.toMatchObject({
        code: expect.stringMatching(/^NET_(TLS|REFUSED)$/), // with or without an alert before it
      });
    }
    expect(server.served).toEqual([]);
  });

  test("a server nobody vouches for, or of another name, is NET_TLS", async () => {
    const server = await secured();
    await expect(server.network.connect(server.url)).rejects.toEqual(tlsError);
    const tls = { authority: made.authority, serverName: "other.test" };
    await expect(server.network.connect(server.url, { tls })).rejects.toEqual(tlsError);
    const url = server.url.replace("wss:", "https:");
    await expect(server.network.request(url, { tls })).rejects.toEqual(tlsError);
    const named = { authority: made.authority, serverName: "kvs.test" };
    await connectTo(server, { tls: named });
    await connectTo(server, { tls: { authority: made.authority, serverName: "127.0.0.1" } });
  });

  test("TLS 1.1 is not spoken", async () => {
    const server = await secured();
    const socket = connectTls({
      port: server.listener.port,
      host: "127.0.0.1",
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
      rejectUnauthorized: false,
    });
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toMatch(/alert|version/i);
  });

  test("a certificate or key that is none is NET_TLS on both sides", async () => {
    const { network, url } = await secured();
    const listening = { host: "127.0.0.1", port: 0, connection: () => undefined };
    const bad = { certificate: "none", key: "none" };
    await expect(network.listen({ ...listening, tls: bad })).rejects.toEqual(tlsError);
    await expect(
      network.listen({ ...listening, tls: { ...made.server, requireClientCertificate: true } }),
    ).rejects.toEqual(tlsError);
    await expect(network.connect(url, { tls: bad })).rejects.toEqual(tlsError);
    await expect(network.request(url.replace("wss:", "https:"), { tls: bad })).rejects.toEqual(
      tlsError,
    );
  });

  test("speaking plainly to a TLS port, or TLS to a plain one, opens nothing", async () => {
    const server = await secured();
    const plainUrl = server.url.replace("wss:", "ws:");
    await expect(server.network.connect(plainUrl)).rejects.toMatchObject({
      code: expect.stringMatching(/^NET_(REFUSED|REJECTED)$/),
    });
    const plain = await loopback();
    await expect(plain.network.connect(plain.url.replace("ws:", "wss:"))).rejects.toEqual(tlsError);
  });
});
