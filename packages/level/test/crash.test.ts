import { type Environment, sleep } from "@kvs/env";
import { Simulation } from "@kvs/sim";
import { expect, test } from "vitest";
import { StoreLevel } from "../src/index.ts";

const SEEDS = 8;
const LIVES = 4;
const LIFE_MS = 600;
const WRITERS = 12;
const SMALL = { path: "store", memoryBytes: 64 << 10, segmentBytes: 128 << 10 };

/** What was asked for and what was answered, over all lives of the store. */
interface Ledger {
  readonly asked: Set<string>;
  readonly answered: Set<string>;
  /** Batches that were half there. */
  readonly torn: string[];
  /** Answered and not there. */
  readonly lost: string[];
  lives: number;
}

test("a batch over sublevels that was answered survives a power cut, and none is half there", async () => {
  let answered = 0;
  let unanswered = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const ledger: Ledger = {
      asked: new Set(),
      answered: new Set(),
      torn: [],
      lost: [],
      lives: 0,
    };
    const simulation = new Simulation({ seed });
    const host = simulation.addHost("n1", { main: (environment) => live(environment, ledger) });
    for (let life = 1; life < LIVES; life++) {
      simulation.after(life * LIFE_MS + ((seed * 37) % 150), () => host.crash());
      simulation.after(life * LIFE_MS + 200, () => host.restart());
    }
    await simulation.run({ untilMs: LIVES * LIFE_MS + 200 });

    expect({ seed, torn: ledger.torn, lost: ledger.lost }).toEqual({ seed, torn: [], lost: [] });
    expect(ledger.lives).toBe(LIVES);
    answered += ledger.answered.size;
    unanswered += ledger.asked.size - ledger.answered.size;
  }
  expect(answered).toBeGreaterThan(SEEDS * 50);
  expect(unanswered).toBeGreaterThan(0);
});

/** One life of the store: looks at what is there, then writes until the power fails. */
async function live(environment: Environment, ledger: Ledger): Promise<void> {
  const database = new StoreLevel(environment, SMALL);
  const left = database.sublevel("left");
  const right = database.sublevel("right");
  const [ofLeft, ofRight] = await Promise.all([left.keys().all(), right.keys().all()]);
  const found = new Set(ofLeft);
  const ofBoth = new Set(ofRight.filter((name) => found.has(name)));
  ledger.torn.push(...ofLeft.filter((name) => !ofBoth.has(name)));
  ledger.torn.push(...ofRight.filter((name) => !found.has(name)));
  ledger.torn.push(...ofLeft.filter((name) => !ledger.asked.has(name)));
  ledger.lost.push(...[...ledger.answered].filter((name) => !found.has(name)));
  const life = ledger.lives++;
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let round = 0; ; round++) {
        const name = `${life}-${writer}-${round}`;
        ledger.asked.add(name);
        await database.batch([
          { type: "put", key: name, value: name.repeat(1 + (round % 40) * 10), sublevel: left },
          { type: "put", key: name, value: name, sublevel: right },
        ]);
        ledger.answered.add(name);
        await sleep(environment.clock, environment.random.below(30));
      }
    }),
  );
}
