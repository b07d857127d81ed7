import { type Connection, type Environment, type File, assert, sleep } from "@kvs/env";
import { Simulation } from "@kvs/sim";
import { cpuMicrosOf } from "../cpu.ts";
import { type Sample } from "../sample.ts";
import { type Suite } from "../suite.ts";

const HOSTS = ["n1", "n2", "n3"] as const;
const PORT = 5000;
const FRAME_BYTES = 64;
const RECORD_BYTES = 150;
/** So often that a quarter of the events are timers. */
const TIMER_MS = 0.07;
/** Virtual time to take in one step of the run. */
const STEP_MS = 1000;
/** The run is long enough once this many events were simulated. */
const EVENTS_FULL = 1_000_000;

/** What the simulated environment costs: every seed of every scenario pays it. */
export const simSuite: Suite = {
  name: "sim",
  description: "the simulator: events per second of processor time",
  measures: [
    {
      id: "sim.events-per-s",
      unit: "1/s",
      run: (context) => simulateEvents(context.operations(EVENTS_FULL)),
    },
  ],
};

/**
 * Three hosts that each run timers, write, sync and read a file, and play ping-pong with both
 * others. Of the events about a quarter are timers, a quarter answers of the disk, and half the
 * sending, arriving and reading of frames.
 */
async function simulateEvents(eventsLeast: number): Promise<Sample> {
  const simulation = new Simulation({ seed: 1 });
  for (const host of HOSTS) {
    simulation.addHost(host, { main: (environment) => runHost(environment, host) });
  }
  const cpuBefore = cpuMicrosOf();
  const startMs = performance.now();
  let untilMs = 0;
  while (simulation.result().events < eventsLeast) {
    untilMs += STEP_MS;
    await simulation.run({ untilMs });
  }
  const elapsedMs = performance.now() - startMs;
  const { events } = simulation.result();
  return {
    value: (events / elapsedMs) * 1000,
    cpuMicrosPerOp: (cpuMicrosOf() - cpuBefore) / events,
  };
}

async function runHost(environment: Environment, host: string): Promise<void> {
  await environment.network.listen({
    host,
    port: PORT,
    connection: (connection) => echo(connection),
  });
  void runTimers(environment);
  void runDisk(environment);
  for (const peer of HOSTS) if (peer !== host) void runPings(environment, peer);
}

async function runTimers({ clock }: Environment): Promise<void> {
  for (;;) await sleep(clock, TIMER_MS);
}

async function runDisk({ disk }: Environment): Promise<void> {
  const file: File = await disk.open("log", { create: true });
  const record = new Uint8Array(RECORD_BYTES);
  for (let position = 0; ; position = (position + RECORD_BYTES) % (1 << 20)) {
    await file.writeAt(record, position);
    await file.datasync();
    await file.readAt(record, position);
  }
}

async function runPings({ network }: Environment, peer: string): Promise<void> {
  const connection = await network.connect(`ws://${peer}:${PORT}/`);
  const ping = (): void => void connection.send(new Uint8Array(FRAME_BYTES));
  connection.start({
    frame: (bytes) => {
      assert(bytes.length === FRAME_BYTES, "an echo is as long as what was sent");
      ping();
    },
    closed: () => undefined,
  });
  ping();
}

function echo(connection: Connection): void {
  connection.start({
    frame: (bytes) => void connection.send(bytes),
    closed: () => undefined,
  });
}
