import { type Environment, sleep } from "@kvs/env";
import { Simulation, type SimulationOptions } from "../src/simulation.ts";

/** Answers every frame with itself. */
export async function serveEcho(environment: Environment, port = 5000): Promise<void> {
  await environment.network.listen({
    host: "0.0.0.0",
    port,
    connection: (connection) => {
      connection.start({ frame: (bytes) => connection.send(bytes), closed: () => undefined });
    },
  });
}

/** Two hosts: `n1` echoes, `n2` sends `count` frames, one after the answer to the other. */
export function pingPong(
  options: SimulationOptions,
  count: number,
): { readonly simulation: Simulation; readonly answers: string[] } {
  const simulation = new Simulation(options);
  const answers: string[] = [];
  simulation.addHost("n1", { main: (environment) => serveEcho(environment) });
  simulation.addHost("n2", {
    main: async ({ network, clock, random }) => {
      await sleep(clock, 1);
      const nextFrame = (): Uint8Array => {
        const bytes = new Uint8Array(8);
        random.fill(bytes); // oxlint-disable-line unicorn/no-array-fill-with-reference-type
        return bytes;
      };
      const connection = await network.connect("ws://n1:5000/echo");
      connection.start({
        frame: (bytes) => {
          answers.push(String(bytes));
          if (answers.length < count) connection.send(nextFrame());
        },
        closed: (reason) => answers.push(reason),
      });
      connection.send(new Uint8Array([1, 2, 3]));
    },
  });
  return { simulation, answers };
}
