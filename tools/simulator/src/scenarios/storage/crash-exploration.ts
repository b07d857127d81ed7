import { type Random } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { type CrashReport, exploreCrashes } from "./crash-explorer.ts";
import { drawScript } from "./drawn-script.ts";
import { drawStoreKnobs } from "./store-knobs.ts";

/** Disk calls of the script at which the power fails. */
const CALLS_MAX = 40;
/** Images that are recovered in one exploration: one or two seconds. */
const RECOVERIES_MAX = 200;
/** Every subset of so many sectors is tried at each call, and at each call of a recovery. */
const LAST_SECTORS = 8;
const LAST_SECTORS_IN_RECOVERY = 6;
/** At this share of its disk calls a recovery is crashed. */
const RECOVERY_SHARE = 0.1;
/** Images that are drawn besides, of all that is pending. */
const DRAWN_IMAGES = 4;

/**
 * Draws a short script and a store for it, and crashes it at some of its disk calls in every way
 * that the last sectors allow. Recoveries are crashed, too, until they are half as many as the
 * other crash points, a third of all.
 */
export function exploreDrawnCrashes(
  random: Random,
  mutants: readonly string[],
): Promise<CrashReport> {
  const knobs = drawStoreKnobs(random.split("knobs"));
  return exploreCrashes(drawScript(random.split("script"), knobs), {
    random: random.split("crashes"),
    mutants,
    callsMax: CALLS_MAX,
    recoveriesMax: RECOVERIES_MAX,
    images: (storage, draws) => imagesOf(storage, draws, LAST_SECTORS),
    imagesOfRecovery: (storage, draws) => imagesOf(storage, draws, LAST_SECTORS_IN_RECOVERY),
    recoveryShare: RECOVERY_SHARE,
    crashesRecovery: (_, { images, recoveryCrashes }) => recoveryCrashes * 2 <= images,
  });
}

function* imagesOf(
  storage: SimStorage,
  random: Random,
  lastSectors: number,
): Generator<SimStorage> {
  yield* storage.crashImages({ lastSectors });
  for (let drawn = 0; drawn < DRAWN_IMAGES; drawn++) yield storage.sampleCrashImage(random);
}
