import { createRandom, pick } from "@kvs/env";

const CITIES = ["Aachen", "Bergen", "Cork", "Dijon", "Évora", "Fès", "Graz", "Hobart"];
const WORDS = ["amber", "brisk", "cedar", "drift", "ember", "flint", "grove", "haze", "inlet"];

/** JSON documents from a seed, one a line, at least `leastBytes` of ASCII or more. */
export function sampleDocuments(seed: number, leastBytes: number): string {
  const random = createRandom(seed);
  let text = "";
  while (text.length < leastBytes) {
    const document = {
      _id: `doc_${String(random.below(1_000_000_000)).padStart(10, "0")}`,
      name: `${pick(random, WORDS)} ${pick(random, WORDS)}`,
      city: pick(random, CITIES),
      age: 18 + random.below(80),
      balance: random.below(10_000_000) / 100,
      tags: [pick(random, WORDS), pick(random, WORDS)],
      isActive: random.chance(0.7),
    };
    text += `${JSON.stringify(document)}\n`;
  }
  return text;
}
