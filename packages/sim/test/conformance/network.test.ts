import { expect, test } from "vitest";
import { type NetworkTlsSubject } from "../../src/conformance/network-case.ts";
import { networkConformance } from "../../src/conformance/network.ts";
import { simulatedCertificate } from "../../src/network/simulated-certificate.ts";
import { Simulation } from "../../src/simulation.ts";

const tls: NetworkTlsSubject = {
  server: { certificate: "n1", key: "secret", authority: "ca" },
  client: { certificate: "n2", key: "secret", authority: "ca" },
  serverName: "n1",
  clientName: "n2",
  stranger: {
    certificate: simulatedCertificate({ commonName: "n2", issuer: "elsewhere" }),
    key: "secret",
    authority: "ca",
  },
};

for (const networkCase of networkConformance()) {
  test(networkCase.name, async () => {
    for (const seed of [1, 2, 3]) {
      const simulation = new Simulation({
        seed,
        knobs: { link: { splitProbability: 0.5, lossProbability: 0.1 } },
      });
      const server = simulation.addHost("n1").environment.network;
      let isDone = false;
      simulation.addHost("n2", {
        main: async ({ network, clock }) => {
          await networkCase.run({ server, client: network, clock, host: "n1", tls });
          isDone = true;
        },
      });

      await simulation.run();

      expect(isDone).toBe(true);
    }
  });
}
