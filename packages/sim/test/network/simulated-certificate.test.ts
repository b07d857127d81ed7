import { expect, test } from "vitest";
import { shakeHands, simulatedCertificate } from "../../src/network/simulated-certificate.ts";

const server = { certificate: "n1", key: "secret" };
const secure = { isSecure: true, host: "n1" };

test("a bare name is issued by the default authority, which everybody believes", () => {
  expect(shakeHands(server, undefined, secure)).toMatchObject({
    type: "done",
    ofServer: { commonName: "n1", alternativeNames: [] },
    ofClient: undefined,
  });
});

test("names, issuers and alternatives come through the text", () => {
  const certificate = simulatedCertificate({
    commonName: "node",
    issuer: "our ca",
    alternativeNames: ["DNS:n1", "IP Address:10.0.0.1"],
  });
  const ours = { certificate, key: "secret" };

  for (const host of ["node", "n1", "10.0.0.1"]) {
    const hands = shakeHands(ours, { authority: "our ca" }, { isSecure: true, host });
    expect(hands).toMatchObject({ ofServer: { commonName: "node" } });
  }
  expect(shakeHands(ours, {}, secure)).toMatchObject({ type: "failed" });
  expect(shakeHands(ours, { authority: "our ca" }, { ...secure, host: "n2" })).toMatchObject({
    reason: "the server's certificate is for another name",
  });
});

test("a client is known only to a server that has its authority", () => {
  const client = { certificate: "n2", key: "secret" };

  expect(shakeHands(server, client, secure)).toMatchObject({ ofClient: undefined });
  expect(shakeHands({ ...server, authority: "ca" }, client, secure)).toMatchObject({
    ofClient: { commonName: "n2" },
  });
  expect(shakeHands({ ...server, authority: "elsewhere" }, client, secure)).toMatchObject({
    type: "done",
    ofClient: undefined,
  });
  const strict = { ...server, authority: "elsewhere", requireClientCertificate: true };
  expect(shakeHands(strict, client, secure)).toMatchObject({ type: "failed" });
});

test("different texts have different fingerprints", () => {
  const prints = ["n1", "n2", "n1\nissuer: ca"].map((certificate) => {
    const name = certificate.split("\n")[0]!;
    const hands = shakeHands({ certificate, key: "k" }, {}, { isSecure: true, host: name });
    return hands.type === "done" ? hands.ofServer?.fingerprint : undefined;
  });

  expect(new Set(prints).size).toBe(3);
  for (const print of prints) expect(print).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});
