import { type ModelledStore, type PlannedMutation } from "./modelled-store.ts";
import { type StoreKnobs, keyOf } from "./store-knobs.ts";

/** A row of this length is alone on a quarter of a page. */
const ROW_BYTES = 900;
const ROWS_PER_BATCH = 40;
/** Prefilled keys begin here, so that they are not the ones that are written most. */
const FIRST_KEY = 10_000;

/** Fills as many pages as the knobs say, so that most of them are not in memory. */
export async function prefill(open: ModelledStore, knobs: StoreKnobs): Promise<void> {
  const rows = 4 * knobs.prefillPages;
  for (let from = 0; from < rows; from += ROWS_PER_BATCH) {
    const planned: PlannedMutation[] = [];
    for (let row = from; row < Math.min(rows, from + ROWS_PER_BATCH); row++) {
      planned.push({ key: keyOf(knobs, FIRST_KEY + row), bytes: ROW_BYTES });
    }
    await open.batch(planned);
  }
}
