import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type FileSystem, type ReflinkDisk, availableFileSystems } from "./reflink-disk.ts";
import { type ScenarioContext } from "./scenario.ts";
import { type StoreSettings, drawLife, drawStore } from "./store-settings.ts";
import { lookAtStore } from "./verify.ts";
import { type Chore } from "./writer-settings.ts";
import { WriterProcess, askedAfter } from "./writer-process.ts";

/** Images of one store; then the writer dies, the images are looked at, and a new store begins. */
const IMAGES_PER_STORE = 20;
/** The writer is killed and started again in between, so that images fall into recovery, too. */
const IMAGES_PER_LIFE = 10;
/** Lives of which no image shows the start: it takes as long as all images of one. */
const WRITING_SHARE = 0.8;
const CALLERS = [1, 8, 64];
const CHORES: readonly Chore[] = ["checkpoint", "copy"];
export interface PowerCutOptions {
  /** A library loaded before all others into the processes that write. */
  readonly preload?: string | undefined;
  readonly mutants: readonly string[];
  /** Whether to go on when promises were broken. Default: no. */
  readonly goesOn?: boolean;
}

export interface PowerCuts {
  readonly images: number;
  /** Images in which the store could not be opened, or broke a promise. */
  readonly badImages: number;
  readonly acknowledged: number;
  /** Images taken before anything was answered. */
  readonly earlyImages: number;
  /** Images by file system. */
  readonly byFileSystem: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

/**
 * Takes images of a disk while a process writes into a store on it, and looks at each: everything
 * that was answered before the image was taken has to be in it.
 */
export async function cutPower(
  context: ScenarioContext,
  disk: ReflinkDisk,
  options: PowerCutOptions,
): Promise<PowerCuts> {
  const cuts: PowerCutTally = {
    images: 0,
    badImages: 0,
    acknowledged: 0,
    earlyImages: 0,
    byFileSystem: {},
    violations: [],
    stores: 0,
  };
  while (context.wantsMore(cuts.images)) {
    await cutOneStore(context, disk, options, cuts);
    context.progress(`${cuts.images} images, ${cuts.acknowledged} batches answered`);
    if (cuts.violations.length > 0 && options.goesOn !== true) break;
  }
  return cuts;
}

interface PowerCutTally extends PowerCuts {
  images: number;
  badImages: number;
  acknowledged: number;
  earlyImages: number;
  readonly byFileSystem: Record<string, number>;
  readonly violations: string[];
  stores: number;
}

/** What is known of one image. */
interface Image {
  readonly file: string;
  /** Answered before it was taken. */
  readonly acknowledged: readonly number[];
}

async function cutOneStore(
  context: ScenarioContext,
  disk: ReflinkDisk,
  options: PowerCutOptions,
  tally: PowerCutTally,
): Promise<void> {
  const { random } = context;
  const fileSystems = availableFileSystems();
  const fileSystem = fileSystems[tally.stores++ % fileSystems.length]!;
  const drive = disk.make(fileSystem);
  const settings = {
    ...drawStore(random, join(drive.folder, "store"), context.sandbox.folder),
    ...drawLife(random),
  };
  const images: Image[] = [];
  let acknowledged: readonly number[] = Array.from(
    { length: CALLERS[random.below(CALLERS.length)]! },
    () => 0,
  );
  const wantsMore = (): boolean =>
    images.length < IMAGES_PER_STORE && context.wantsMore(tally.images + images.length);
  while (wantsMore()) {
    const writer = startWriter(context, settings, options, acknowledged);
    if (random.chance(WRITING_SHARE)) await writer.until(() => writer.isWriting);
    for (let taken = 0; taken < IMAGES_PER_LIFE && wantsMore(); taken++) {
      await wait(50 + random.below(150));
      const before = [...writer.acknowledged];
      images.push({ file: await disk.takeImage(drive), acknowledged: before });
    }
    await writer.kill();
    acknowledged = [...writer.acknowledged];
    tally.acknowledged += writer.ackCount;
    tally.violations.push(...writer.violations);
    if (writer.violations.length > 0) break;
  }
  drive.remove();
  await lookAtImages(
    { disk, images, settings, asked: askedAfter(acknowledged), fileSystem },
    tally,
  );
}

function startWriter(
  context: ScenarioContext,
  store: StoreSettings,
  { mutants, preload }: PowerCutOptions,
  acknowledged: readonly number[],
): WriterProcess {
  const expected = { acknowledged, asked: askedAfter(acknowledged) };
  const { random } = context;
  const chores = CHORES.filter(() => random.chance(0.3));
  const settings = { store, mutants, expected, chores, pauseMs: 1 + random.below(40) };
  return WriterProcess.start(settings, { sandbox: context.sandbox, preload });
}

interface Series {
  readonly disk: ReflinkDisk;
  readonly images: readonly Image[];
  readonly settings: StoreSettings;
  /** What can have been called for when the last image was taken. */
  readonly asked: readonly number[];
  readonly fileSystem: FileSystem;
}

async function lookAtImages(series: Series, tally: PowerCutTally): Promise<void> {
  for (const image of series.images) {
    const drive = series.disk.mountImage(image.file, series.fileSystem);
    const path = join(drive.folder, "store");
    const expected = { acknowledged: image.acknowledged, asked: series.asked };
    const violations = await lookAtStore({ ...series.settings, path }, expected);
    drive.remove();
    tally.images++;
    if (image.acknowledged.every((number) => number === 0)) tally.earlyImages++;
    if (violations.length > 0) tally.badImages++;
    const { name } = series.fileSystem;
    tally.byFileSystem[name] = (tally.byFileSystem[name] ?? 0) + 1;
    const where = `image ${tally.images} (${name})`;
    tally.violations.push(...violations.map((text) => `${where}: ${text}`));
  }
}
