import { createRandom, pick, type Random } from "@kvs/env";
import { describe, expect, test } from "vitest";
import { type HistoryEvent } from "../../src/check/history.ts";
import { checkLinearizability, checkRegisterHistory } from "../../src/check/linearizability.ts";
import { type TimedOperation } from "../../src/check/model.ts";
import { registerModel, type RegisterOperation } from "../../src/check/register-model.ts";
import { isLinearizableByBruteForce } from "./brute-force.ts";
import { drawn } from "./interval-notation.ts";
import { simulate } from "./simulated-registers.ts";

const good: Record<string, string> = {
  "an empty history": "",
  "a read of a register nobody wrote": "|-r_-|",
  "a read after a write": `
    |-w1-|
            |-r1-|`,
  "a read beside a write sees it": `
    |----w1----|
       |-r1-|`,
  "a read beside a write does not see it yet": `
    |----w1----|
       |-r_-|`,
  "two reads beside a write see it in turn": `
    |--------w1---------|
       |-r_-|  |-r1-|`,
  "concurrent writes take either order": `
    |--w1--|
    |--w2--|
             |-r1-|`,
  "reads of concurrent writes agree on their order": `
    |------w1------|
    |------w2------|
      |-r1-||-r2-|   |-r2-|
        |-r1-||-r2-|`,
  "a write of unknown outcome never happens": `
    |-w1-----
              |-r_-|  |-r_-|`,
  "a write of unknown outcome happens at once": `
    |-w1-----
              |-r1-|  |-r1-|`,
  "a write of unknown outcome takes effect much later": `
    |-w1-----
              |-w2-| |-r2-|
                              |-r1-| |-r1-|`,
  "two writes of unknown outcome take effect in the opposite order": `
    |-w1-----
    |-w2-----
               |-r2-| |-r1-|`,
  "a chain of compare-and-sets": `
    |-w1-| |-c1,2-| |-c2,3-| |-r3-|`,
  "two compare-and-sets race, and the loser is not in the history": `
    |-w1-|
           |--c1,2--|
           |--r1----|
                      |-r2-|`,
  "a compare-and-set of unknown outcome makes another one possible": `
    |-w1-|
           |--c1,2-----
                        |--c2,3--|
                                   |-r3-|`,
  "a compare-and-set of unknown outcome does not happen": `
    |-w1-|
           |--c1,2-----
                        |--c1,3--|
                                   |-r3-|`,
  "a compare-and-set on an absent key": `
    |-c_,1-| |-r1-|`,
  "two keys do not disturb each other": `
    |-x:w1-| |-y:r_-| |-x:r1-|
       |-y:w2----|       |-y:r2-|`,
  "a read that takes very long sees the oldest value": `
    |-----------r_-----------|
      |-w1-| |-w2-| |-r2-|`,
  "an operation that ends when another begins counts as concurrent": `
    |-w1-|
         |-r_-|`,
};

const bad: Record<string, string> = {
  "a read of a value nobody wrote": "|-r7-|",
  "a stale read": `
    |-w1-| |-w2-|
                    |-r1-|`,
  "a read that misses a finished write": `
    |-w1-|
            |-r_-|`,
  "a value that comes and goes": `
    |--------w1---------|
       |-r1-|  |-r_-|`,
  "a lost update": `
    |-w1-| |-w2-| |-w3-|
                          |-r3-| |-r2-|`,
  "two reads that disagree on the order of concurrent writes": `
    |--w1--|
    |--w2--|
             |-r1-|
                     |-r2-|`,
  "reads that alternate between concurrent writes": `
    |------------w1-------------|
    |------------w2-------------|
      |-r1-| |-r2-| |-r1-|`,
  "both compare-and-sets of a race win": `
    |-w1-|
           |--c1,2--|
           |--c1,3--|`,
  "a compare-and-set from a value that is long gone": `
    |-w1-| |-w2-| |-c1,3-|`,
  "a compare-and-set whose effect is lost": `
    |-w1-| |-c1,2-|
                     |-r1-|`,
  "a write of unknown outcome takes effect twice": `
    |-w1-----
              |-r1-| |-w2-| |-r2-| |-r1-|`,
  "a write of unknown outcome is seen before it is asked for": `
            |-w1-----
    |-r1-|`,
  "a write of unknown outcome comes and goes": `
    |-w1-----
              |-r1-| |-r_-|`,
  "a compare-and-set of unknown outcome wins although another one did": `
    |-w1-|
           |--c1,2-----
                        |--c1,3--|
                                   |-r2-|`,
  "a compare-and-set happens twice": `
    |-w1-| |-c1,2-| |-w3-| |-c3,1-| |-r2-|`,
  "one bad key among good ones": `
    |-x:w1-| |-x:r1-|
    |-y:w2-| |-y:r2-| |-y:r_-|
    |-z:r_-|`,
  "a read from before, by another client": `
    |-w1-|           |-w2-|
                              |-r2-|
                                       |-r1-|`,
  "an update lost between two clients that read the same": `
    |-w1-| |-r1-|  |-c1,2-|
           |-r1-|             |-c1,3-|`,
};

describe("hand-made histories", () => {
  test.each(Object.entries(good))("%s: linearizable", (_name, text) => {
    const result = checkLinearizability(registerModel, drawn(text));

    expect(result.verdict).toBe("linearizable");
    expect(result.violation).toBeUndefined();
  });

  test.each(Object.entries(bad))("%s: a violation", (_name, text) => {
    const operations = drawn(text);
    const result = checkLinearizability(registerModel, operations);

    expect(result.verdict).toBe("violation");
    expect(operations).toEqual(expect.arrayContaining([...result.violation!.unplaced]));
  });
});

test("a violation is explained by the order that gets furthest and a timeline", () => {
  const operations = drawn(`
    |-w1-| |-w2-|   |-w5------
                |---w3--|   |-r3-|
                                   |-r2-|`);
  const { violation } = checkLinearizability(registerModel, operations);

  expect(violation?.prefix.map(({ operation }) => registerModel.describe(operation))).toEqual([
    "write 1",
    "write 2",
    "write 3",
    "read → 3",
  ]);
  expect(violation?.text).toMatchInlineSnapshot(`
    "key "x" is not linearizable: 4 operations have a place, and lead to 3; then process 2's read → 2 has none
    p0  [-]                     write 1   #1
    p0      [-]                 write 2   #2
    p1        [---]             write 3   #3
    p0          [------------>  write 5   no place
    p1              [-]         read → 3  #4
    p2                  [-]     read → 2  no place, and was answered first"
  `);
});

test("a long violation shows its end only", () => {
  const writes = Array.from({ length: 40 }, (_, at) => `|-w${at}-|`).join(" ");
  const result = checkLinearizability(registerModel, drawn(`${writes} |-r3-|`));

  expect(result.violation?.prefix.length).toBe(40);
  expect(result.violation?.text.split("\n").length).toBe(18);
  expect(result.violation?.text).toContain("(the first 25 operations are not shown)");
});

test("of several violations the shortest is explained", () => {
  const result = checkLinearizability(
    registerModel,
    drawn(`
    |-x:w1-| |-x:w2-| |-x:r1-|
    |-y:r9-|
    |-z:w1-| |-z:r2-|`),
  );

  expect(result.violatedKeys).toEqual(["x", "y", "z"]);
  expect(result.violation?.key).toBe("y");
});

test("a search that may not take enough steps is unknown, and a violation outweighs it", () => {
  const unknown = drawn("|-x:w1-| |-x:w2-| |-x:r2-|");
  const violated = drawn("|-y:r1-|");

  const cut = checkLinearizability(registerModel, unknown, { stepsMax: 2 });
  const both = checkLinearizability(registerModel, [...unknown, ...violated], { stepsMax: 2 });

  expect(cut).toMatchObject({ verdict: "unknown", unknownKeys: ["x"], violatedKeys: [] });
  expect(both).toMatchObject({ verdict: "violation", unknownKeys: ["x"], violatedKeys: ["y"] });
});

test("the search and brute force agree on small random histories", () => {
  const random = createRandom(1);
  const counts = { linearizable: 0, violation: 0 };
  for (let run = 0; run < 6000; run++) {
    const operations = drawHistory(random);
    const expected = isLinearizableByBruteForce(registerModel, operations)
      ? "linearizable"
      : "violation";

    const result = checkLinearizability(registerModel, operations);

    if (result.verdict !== expected) {
      throw new Error(`expected ${expected}: ${JSON.stringify(operations)}`);
    }
    counts[expected]++;
    if (result.violation !== undefined) expectSoundExplanation(operations, result.violation);
  }

  expect(counts.linearizable).toBeGreaterThan(1000);
  expect(counts.violation).toBeGreaterThan(1000);
});

/** Up to 7 operations of few values (which repeat: harder than the contract) with any overlap. */
function drawHistory(random: Random): TimedOperation<RegisterOperation>[] {
  const count = 1 + random.below(7);
  const horizon = 2 + random.below(16);
  return Array.from({ length: count }, (_, process) => {
    const invokedAt = random.below(horizon);
    const isUnknown = random.chance(0.2);
    const completedAt = isUnknown ? Infinity : invokedAt + random.below(horizon);
    const value = random.below(3);
    const expected = random.chance(0.2) ? null : random.below(3);
    const operation: RegisterOperation = random.chance(0.45)
      ? { type: "read", key: "x", value: random.chance(0.2) ? null : value }
      : random.chance(0.6)
        ? { type: "write", key: "x", value }
        : { type: "cas", key: "x", expected, value };
    return { process, operation, invokedAt, completedAt };
  });
}

/** The explanation is itself a proof: what it cut off before the culprit is linearizable. */
function expectSoundExplanation(
  operations: readonly TimedOperation<RegisterOperation>[],
  violation: NonNullable<ReturnType<typeof checkRegisterHistory>["violation"]>,
): void {
  const culprit = violation.unplaced[0]!;
  const upTo = operations.filter(({ invokedAt }) => invokedAt <= culprit.completedAt);
  const openAfter = (isOpen: (timed: (typeof upTo)[number]) => boolean): typeof upTo =>
    upTo.map((timed) => (isOpen(timed) ? { ...timed, completedAt: Infinity } : timed));

  const before = openAfter((timed) => timed === culprit || timed.completedAt > culprit.completedAt);
  const including = openAfter((timed) => timed.completedAt > culprit.completedAt);

  expect(isLinearizableByBruteForce(registerModel, including)).toBe(false);
  const ties = upTo.filter(({ completedAt }) => completedAt === culprit.completedAt);
  if (ties.length === 1) expect(isLinearizableByBruteForce(registerModel, before)).toBe(true);
}

describe("simulated registers", () => {
  test("histories of a truly linearizable register pass, at 300 operations a key", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const events = simulate({ seed, keys: 4, operations: 1200, clients: 10 });

      const result = checkRegisterHistory(events);

      expect(result.verdict).toBe("linearizable");
      expect(result.operationCount).toBeGreaterThan(900);
    }
  });

  test("the cost of well-behaved histories grows with their length only", () => {
    const short = checkRegisterHistory(
      simulate({ seed: 3, keys: 2, operations: 2000, clients: 8 }),
    );
    const long = checkRegisterHistory(
      simulate({ seed: 3, keys: 2, operations: 20000, clients: 8 }),
    );

    expect(long.verdict).toBe("linearizable");
    expect(long.steps / long.operationCount).toBeLessThan(
      4 * (short.steps / short.operationCount) + 10,
    );
  });

  test("a read whose value is swapped for another one fails if brute force says so", () => {
    const counts = { linearizable: 0, violation: 0 };
    for (let seed = 1; seed <= 1500; seed++) {
      const original = simulate({ seed, keys: 1, operations: 8, clients: 3, lossRate: 0.2 });
      const events = mutateOneRead(original, createRandom(seed).split("mutation"));
      if (events === undefined) continue;
      const isGood = isLinearizableByBruteForce(registerModel, operationsByHand(events));

      const { verdict } = checkRegisterHistory(events);

      expect(checkRegisterHistory(original).verdict).toBe("linearizable");
      expect(verdict).toBe(isGood ? "linearizable" : "violation");
      counts[isGood ? "linearizable" : "violation"]++;
    }

    expect(counts.violation).toBeGreaterThan(300);
    expect(counts.linearizable).toBeGreaterThan(30);
  });

  test("one stale read among 300 operations is found, and blamed", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const events = simulate({ seed, keys: 1, operations: 300, clients: 6 });
      const stale = operationsByHand(events).find(({ operation }) => operation.type === "write")!;
      const index = events.length;
      const read = { process: 1_000_000, f: "read", time: 1e12 } as const;
      const added: HistoryEvent[] = [
        { ...read, index, type: "invoke", value: ["k0", null] },
        { ...read, index: index + 1, type: "ok", value: ["k0", stale.operation.value] },
      ];

      const result = checkRegisterHistory([...events, ...added]);

      expect(result.verdict).toBe("violation");
      expect(result.violation?.unplaced[0]?.process).toBe(1_000_000);
    }
  });
});

/** Swaps what one read saw for another value that somebody wrote. */
function mutateOneRead(
  events: readonly HistoryEvent[],
  random: Random,
): HistoryEvent[] | undefined {
  const reads = events.filter(({ type, f }) => type === "ok" && f === "read");
  const written = operationsByHand(events).filter(({ operation }) => operation.type !== "read");
  if (reads.length === 0 || written.length === 0) return undefined;
  const victim = pick(random, reads);
  const value = pick(random, written).operation.value;
  if (victim.f !== "read" || victim.value[1] === value) return undefined;
  const mutant: HistoryEvent = { ...victim, value: [victim.value[0], value] };
  return events.map((event) => (event === victim ? mutant : event));
}

/** The same as `registerOperations`, written from the answers backwards. */
function operationsByHand(events: readonly HistoryEvent[]): TimedOperation<RegisterOperation>[] {
  return events.flatMap((invocation, at): TimedOperation<RegisterOperation>[] => {
    if (invocation.type !== "invoke") return [];
    const answer = events
      .slice(at + 1)
      .find(({ process, type }) => process === invocation.process && type !== "invoke");
    const isUnknown = answer === undefined || answer.type === "info";
    if (answer?.type === "fail" || (isUnknown && invocation.f === "read")) return [];
    const source = isUnknown ? invocation : answer;
    if (source.f === "txn") return [];
    const [key] = source.value;
    const operation: RegisterOperation =
      source.f === "cas"
        ? { type: "cas", key, expected: source.value[1][0], value: source.value[1][1] }
        : { type: source.f, key, value: source.value[1] };
    const completedAt = isUnknown ? Infinity : answer.index;
    return [{ process: invocation.process, operation, invokedAt: invocation.index, completedAt }];
  });
}
