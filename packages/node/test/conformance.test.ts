import { noTrace } from "@kvs/env";
import { clockConformance, diskConformance, networkConformance } from "@kvs/sim";
import { type NetworkTlsSubject } from "@kvs/sim";
import { beforeAll, test } from "vitest";
import { NodeClock } from "../src/node-clock.ts";
import { NodeDisk } from "../src/node-disk.ts";
import { WsNetwork } from "../src/ws-network.ts";
import { hasOpenssl, makeCertificates } from "./certificates.ts";
import { tempFolder } from "./temp-folder.ts";

/** A case itself waits up to 20 s for what must come true, on a busy machine. */
const TIMEOUT_MS = 60_000;

test.each(clockConformance())("clock: $name", ({ run }) => run(new NodeClock()), TIMEOUT_MS);

test.each(diskConformance())("disk: $name", async ({ run }) => {
  const folder = await tempFolder();
  await run(new NodeDisk(folder, noTrace), folder, new NodeDisk(folder, noTrace));
});

let tls: NetworkTlsSubject | undefined;
beforeAll(() => {
  if (!hasOpenssl) return;
  const { authority, server, client, stranger } = makeCertificates();
  tls = {
    server: { ...server, authority },
    client: { ...client, authority },
    serverName: "server",
    clientName: "n1",
    stranger: { ...stranger, authority },
  };
});

for (const { name, needsTls, run } of networkConformance()) {
  test.skipIf(needsTls === true && !hasOpenssl)(
    `network: ${name}`,
    () =>
      run({
        server: new WsNetwork(noTrace),
        client: new WsNetwork(noTrace),
        clock: new NodeClock(),
        host: "127.0.0.1",
        ...(tls !== undefined && { tls }),
      }),
    TIMEOUT_MS,
  );
}
