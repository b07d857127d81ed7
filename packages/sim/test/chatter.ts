import { type Connection, type Environment, isKvsError, sleep } from "@kvs/env";
import { type HostOptions, Simulation, type SimulationOptions } from "../src/simulation.ts";

/** What one host saw, for tests that look at whole runs. */
export interface Seen {
  readonly frames: Uint8Array[];
  readonly closed: string[];
  readonly failed: string[];
}

/**
 * A world of hosts `n1` … `nN` that keep sending numbered frames to each other, reconnect when a
 * connection ends, and write a counter to disk: enough for every fault to find a victim.
 */
export function chatter(
  options: SimulationOptions & { readonly hosts?: number; readonly host?: HostOptions },
): { readonly simulation: Simulation; readonly seen: Map<string, Seen> } {
  const simulation = new Simulation({ onHostFailure: (_host, error) => judge(error), ...options });
  const names = Array.from({ length: options.hosts ?? 3 }, (_, index) => `n${index + 1}`);
  const seen = new Map<string, Seen>();
  for (const name of names) {
    const own: Seen = { frames: [], closed: [], failed: [] };
    seen.set(name, own);
    const peers = names.filter((other) => other !== name);
    simulation.addHost(name, {
      ...options.host,
      main: (environment) => talk(environment, { peers, own }),
    });
  }
  return { simulation, seen };
}

/** A failing disk ends the process; anything else is a bug of the simulator or of the test. */
function judge(error: unknown): "kill" | "fail" {
  return isKvsError(error) && error.code.startsWith("DISK_") ? "kill" : "fail";
}

async function talk(
  environment: Environment,
  world: { readonly peers: readonly string[]; readonly own: Seen },
): Promise<void> {
  const { network, clock, disk } = environment;
  const { own, peers } = world;
  await network.listen({
    host: "0.0.0.0",
    port: 5000,
    connection: (connection) => listenTo(connection, own),
  });
  for (const peer of peers) void callOut(environment, peer, own);
  const file = await disk.open("counter", { create: true });
  for (let count = 0; ; count++) {
    await file.writeDurableAt(new Uint8Array(5000).fill(count & 255), 0);
    await sleep(clock, 50);
  }
}

function listenTo(connection: Connection, own: Seen): void {
  connection.start({
    frame: (bytes) => own.frames.push(bytes),
    closed: (reason) => own.closed.push(reason),
  });
}

/** Sends two frames every few milliseconds, over one connection after the other. */
async function callOut(environment: Environment, peer: string, own: Seen): Promise<void> {
  const { network, clock } = environment;
  for (let number = 0; ;) {
    try {
      const connection = await network.connect(`ws://${peer}:5000/`, { timeoutMs: 500 });
      const state = { isOpen: true };
      connection.start({
        frame: () => undefined,
        closed: (reason) => {
          state.isOpen = false;
          own.closed.push(reason);
        },
      });
      while (state.isOpen) {
        for (let copy = 0; copy < 2; copy++) connection.send(numbered(number++));
        await sleep(clock, 5);
      }
    } catch (error) {
      own.failed.push(isKvsError(error) ? error.code : String(error));
      await sleep(clock, 20);
    }
  }
}

/** 16 bytes: the number, then its complement, so that a changed byte shows. */
export function numbered(number: number): Uint8Array {
  const frame = new Uint8Array(16);
  const view = new DataView(frame.buffer);
  view.setUint32(0, number);
  view.setUint32(4, ~number >>> 0);
  return frame;
}

/** The number of an unchanged frame, or `undefined`. */
export function numberOf(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const number = view.getUint32(0);
  const isWhole = frame.length === 16 && view.getUint32(4) === ~number >>> 0;
  return isWhole && frame.subarray(8).every((byte) => byte === 0) ? number : undefined;
}
