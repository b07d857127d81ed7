import { expect, test } from "vitest";
import { AssertionFailure } from "../src/assert.ts";
import { type Random, createRandom, pick, shuffle } from "../src/random.ts";

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.nextUint32());
}

/** How far counts are from even, in standard deviations of the chi-squared distribution. */
function unevenness(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const squares = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return (squares - (counts.length - 1)) / Math.sqrt(2 * (counts.length - 1));
}

/** First four draws and the thousand-and-first, from an implementation in C. */
const KNOWN: readonly [number, readonly number[], number][] = [
  [0, [2364300354, 977500567, 102152910, 3906059771], 919650589],
  [1, [2101071864, 2665537528, 999741675, 2111309799], 3376051847],
  [42, [1962770118, 3293494330, 1803923970, 780748473], 726097653],
  [0xffff_ffff, [2539083510, 3180550343, 554282155, 513792410], 587815274],
  [0x1_0000_0000, [3601154849, 528414896, 649358214, 2328262175], 3115394473],
  [Number.MAX_SAFE_INTEGER, [881966847, 4022975629, 717645734, 3880665939], 711172442],
];

test.each(KNOWN)("seed %i gives the known numbers", (seed, first, later) => {
  const random = createRandom(seed);
  expect(draw(random, 4)).toEqual(first);
  draw(random, 996);
  expect(random.nextUint32()).toBe(later);
});

test("every kind of draw follows from the words", () => {
  const words = draw(createRandom(7), 4);
  const fraction = createRandom(7).nextFloat();
  expect(fraction).toBe(((words[0]! >>> 5) * 2 ** 26 + (words[1]! >>> 6)) / 2 ** 53);
  expect(createRandom(7).below(2 ** 32)).toBe(words[0]);
  expect(createRandom(7).below(256)).toBe(words[0]! % 256);
  const bytes = createRandom(7).fill(new Uint8Array(7));
  const expected = new Uint8Array(8);
  new DataView(expected.buffer).setUint32(0, words[0]!, true);
  new DataView(expected.buffer).setUint32(4, words[1]!, true);
  expect(bytes).toEqual(expected.subarray(0, 7));
  expect(createRandom(7).chance(fraction)).toBe(false);
  expect(createRandom(7).chance(fraction + 2 ** -53)).toBe(true);
});

test("numbers below a bound are even, for bounds that do not divide 2^32", () => {
  for (const bound of [2, 3, 10, 100]) {
    const random = createRandom(bound);
    const counts = Array.from({ length: bound }, () => 0);
    for (let at = 0; at < 50_000; at++) counts[random.below(bound)]!++;
    expect(Math.abs(unevenness(counts))).toBeLessThan(5);
  }
});

test("a bound just above 2^31 rejects what would make it uneven", () => {
  const bound = 2 ** 31 + 1;
  const random = createRandom(5);
  const drawn = Array.from({ length: 2000 }, () => random.below(bound));
  expect(drawn.every((value) => value < bound)).toBe(true);
  const words = draw(createRandom(5), 5000).filter((word) => word < bound);
  expect(drawn).toEqual(words.slice(0, 2000));
});

test("fractions fill [0, 1) evenly, and chances come true as often as they say", () => {
  const random = createRandom(11);
  const counts = Array.from({ length: 64 }, () => 0);
  for (let at = 0; at < 64_000; at++) counts[Math.floor(random.nextFloat() * 64)]!++;
  expect(Math.abs(unevenness(counts))).toBeLessThan(5);
  let hits = 0;
  for (let at = 0; at < 10_000; at++) if (random.chance(0.1)) hits++;
  expect(Math.abs(hits - 1000)).toBeLessThan(150); // five standard deviations
  expect(random.chance(0)).toBe(false);
  expect(random.chance(1)).toBe(true);
});

test("every bit of the words, and every filled byte, is set half of the time", () => {
  const random = createRandom(12);
  const counts = Array.from({ length: 32 }, () => 0);
  for (const word of draw(random, 10_000)) {
    for (let bit = 0; bit < 32; bit++) counts[bit]! += (word >>> bit) & 1;
  }
  for (const count of counts) expect(Math.abs(count - 5000)).toBeLessThan(250);
  const bytes = Array.from({ length: 256 }, () => 0);
  for (const byte of random.fill(new Uint8Array(100_000))) bytes[byte]!++;
  expect(Math.abs(unevenness(bytes))).toBeLessThan(5);
});

test("a split stream depends on seed and label alone, and leaves its origin where it was", () => {
  const origin = createRandom(3);
  const early = draw(origin.split("disk"), 50);
  const untouched = draw(createRandom(3), 10);
  expect(draw(origin, 10)).toEqual(untouched);
  expect(draw(origin.split("disk"), 50)).toEqual(early);
  expect(draw(createRandom(3).split("disk"), 50)).toEqual(early);
  expect(draw(createRandom(4).split("disk"), 50)).not.toEqual(early);
});

test("streams of different seeds, labels and depths share no numbers", () => {
  const labels = ["a", "b", "ab", "ba", "a\0", "\0", "disk", "dusk", "network.delay", "é", "€"];
  const streams: Random[] = [];
  for (const seed of [0, 1, 2, 2 ** 32, 2 ** 33]) {
    const origin = createRandom(seed);
    streams.push(origin, ...labels.map((label) => origin.split(label)));
    streams.push(origin.split("a").split("b"), origin.split("b").split("a"));
  }
  const words = streams.flatMap((random) => draw(random, 20));
  // 1400 words of 32 bits: the chance of an equal pair is 0.0002, and the seeds are fixed.
  expect(new Set(words).size).toBe(words.length);
});

test("the first number of a thousand split streams is as even as one stream's", () => {
  const origin = createRandom(9);
  const counts = Array.from({ length: 16 }, () => 0);
  for (let at = 0; at < 16_000; at++) counts[origin.split(`host-${at}`).below(16)]!++;
  expect(Math.abs(unevenness(counts))).toBeLessThan(5);
});

test("picking takes each element about equally often", () => {
  const random = createRandom(13);
  const counts = [0, 0, 0];
  for (let at = 0; at < 9000; at++) counts[pick(random, [0, 1, 2])]!++;
  expect(Math.abs(unevenness(counts))).toBeLessThan(5);
  expect(pick(random, ["only"])).toBe("only");
});

test("shuffling keeps the elements, and each order of three is as likely as another", () => {
  const random = createRandom(14);
  const counts = new Map<string, number>();
  for (let at = 0; at < 6000; at++) {
    const items = [1, 2, 3];
    expect(shuffle(random, items)).toBe(items);
    counts.set(items.join(""), (counts.get(items.join("")) ?? 0) + 1);
  }
  expect([...counts.keys()].toSorted()).toEqual(["123", "132", "213", "231", "312", "321"]);
  expect(Math.abs(unevenness([...counts.values()]))).toBeLessThan(5);
  expect(shuffle(random, [])).toEqual([]);
});

test("seeds, bounds, labels and choices outside their ranges are bugs", () => {
  for (const seed of [-1, 0.5, 2 ** 53, Number.NaN]) {
    expect(() => createRandom(seed)).toThrow(AssertionFailure);
  }
  const random = createRandom(0);
  for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) {
    expect(() => random.below(bound)).toThrow(AssertionFailure);
  }
  expect(() => random.split("")).toThrow(AssertionFailure);
  expect(() => pick(random, [])).toThrow(AssertionFailure);
});
