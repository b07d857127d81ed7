import { type Interleaving } from "./hermitage.ts";

/** Hermitage's ten, in its order. */
export const INTERLEAVINGS: readonly Interleaving[] = [
  {
    name: "G0",
    anomaly: "dirty write: writes of two transactions are mixed",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      await one.write(1, 11);
      await two.write(1, 12);
      await one.write(2, 21);
      await one.commit();
      await two.write(2, 22);
      await two.commit();
      const values = [await test.final(1), await test.final(2)].join();
      return values === "11,22" || values === "12,21";
    },
  },
  {
    name: "G1a",
    anomaly: "aborted read: what was rolled back was seen",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      await one.write(1, 101);
      const first = await two.read(1);
      await one.rollback();
      const second = await two.read(1);
      await two.commit();
      return first === 101 || second === 101;
    },
  },
  {
    name: "G1b",
    anomaly: "intermediate read: a write was seen that the same transaction wrote over",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      await one.write(1, 101);
      const first = await two.read(1);
      await one.write(1, 11);
      await one.commit();
      const second = await two.read(1);
      await two.commit();
      return first === 101 || second === 101;
    },
  },
  {
    name: "G1c",
    anomaly: "circular information flow: each saw what the other wrote",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      await one.write(1, 11);
      await two.write(2, 22);
      const [ofTwo, ofOne] = [await one.read(2), await two.read(1)];
      await one.commit();
      await two.commit();
      return ofTwo === 22 && ofOne === 11;
    },
  },
  {
    name: "OTV",
    anomaly: "observed transaction vanishes: one of its writes was seen, then another was not",
    async run(test) {
      const [one, two, three] = [await test.begin(), await test.begin(), await test.begin()];
      await one.write(1, 11);
      await one.write(2, 19);
      await two.write(1, 12);
      await one.commit();
      const before = [await three.read(1)];
      await two.write(2, 18);
      before.push(await three.read(2));
      await two.commit();
      const [second, first] = [await three.read(2), await three.read(1)];
      await three.commit();
      return before.includes(12) || before.includes(18) || (second === 18 && first !== 12);
    },
  },
  {
    name: "PMP",
    anomaly: "predicate-many-preceders: a search finds later what it did not find before",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      const before = await one.countThirds();
      await two.insert(3, 30);
      await two.commit();
      const after = await one.countThirds();
      await one.commit();
      return before !== after;
    },
  },
  {
    name: "P4",
    anomaly: "lost update: both read, both write, and one write is lost",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      await one.read(1);
      await two.read(1);
      await one.write(1, 11);
      await two.write(1, 12);
      await one.commit();
      await two.commit();
      await test.end();
      return one.isCommitted && two.isCommitted;
    },
  },
  {
    name: "G-single",
    anomaly: "read skew: one row was read as of before, the other as of after",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      const first = await one.read(1);
      await two.write(1, 12);
      await two.write(2, 18);
      await two.commit();
      const second = await one.read(2);
      await one.commit();
      return first === 10 && second === 18;
    },
  },
  {
    name: "G2-item",
    anomaly: "write skew: both read both rows, and each writes another one",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      for (const each of [one, two]) {
        await each.read(1);
        await each.read(2);
      }
      await one.write(1, 11);
      await two.write(2, 21);
      await one.commit();
      await two.commit();
      await test.end();
      return one.isCommitted && two.isCommitted;
    },
  },
  {
    name: "G2",
    anomaly: "write skew by search: both search, and each inserts what the other searched for",
    async run(test) {
      const [one, two] = [await test.begin(), await test.begin()];
      await one.countThirds();
      await two.countThirds();
      await one.insert(3, 30);
      await two.insert(4, 42);
      await one.commit();
      await two.commit();
      await test.end();
      return one.isCommitted && two.isCommitted;
    },
  },
];
