/**
 * Fuzzes the decoding of pages for as long as one likes:
 *
 *     pnpm --filter @kvs/pager fuzz INPUTS [SEED] [--check MODULE#NAME] [--pages FILE]
 *
 * `--check ../btree/src/page-check.ts#checkPage` gives pages that pass to whoever knows what their
 * bodies mean; `--pages` takes the pages of a page file to begin with. Paths are from the package's
 * folder.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { findPageFault, toPageId } from "../src/index.ts";
import { type PageCheck, fuzzPages } from "./page-fuzz.ts";

const ROUND_INPUTS = 100_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { check: { type: "string" }, pages: { type: "string" } },
});
const inputs = Number(positionals[0] ?? ROUND_INPUTS);
const firstSeed = Number(positionals[1] ?? 1);
const check = values.check === undefined ? undefined : await importCheck(values.check);
const pages = values.pages === undefined ? [] : await readPages(values.pages);

const total = new Map<string, number>();
for (let done = 0, seed = firstSeed; done < inputs; done += ROUND_INPUTS, seed++) {
  const count = Math.min(ROUND_INPUTS, inputs - done);
  const tally = fuzzPages({
    seed,
    inputs: count,
    pages,
    ...(check === undefined ? {} : { check }),
  });
  for (const [outcome, times] of tally) total.set(outcome, (total.get(outcome) ?? 0) + times);
}
for (const [outcome, times] of total) console.log(`${outcome}: ${times}`);

async function importCheck(place: string): Promise<PageCheck> {
  const [path, name] = place.split("#");
  const module = (await import(pathToFileURL(resolve(path!)).href)) as Record<string, PageCheck>;
  return module[name!]!;
}

async function readPages(path: string): Promise<Uint8Array[]> {
  const bytes = await readFile(path);
  const found: Uint8Array[] = [];
  for (let at = 2 * 4096; at + 4096 <= bytes.length; at += 4096) {
    const page = new Uint8Array(bytes.subarray(at, at + 4096));
    const fileId = new DataView(page.buffer).getUint32(20, true);
    if (findPageFault(page, { id: toPageId(at / 4096), fileId }) === undefined) found.push(page);
  }
  return found;
}
