/**
 * Fuzzes the log's decoders for as long as wanted:
 *
 *     node packages/wal/test/fuzz/run.ts --inputs 1000000 --seed 7
 */
import { parseArgs } from "node:util";

import { fuzzLog } from "./fuzz-log.ts";

const { values } = parseArgs({
  options: { inputs: { type: "string" }, seed: { type: "string" } },
});
const inputs = Number(values.inputs ?? 100_000);
const seed = Number(values.seed ?? 1);
const outcomes = await fuzzLog({ inputs, seed });
process.stdout.write(`${inputs} inputs of seed ${seed}: ${JSON.stringify([...outcomes])}\n`);
