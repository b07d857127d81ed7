import { type Environment, type TestHooks } from "@kvs/env";
import { FrameCache } from "./frame-cache.ts";
import { type PageFile } from "./page-file.ts";
import { PAGE_BYTES } from "./page-header.ts";
import { PageLoader } from "./page-loader.ts";
import { type PageSealer } from "./page-sealer.ts";
import { type PagerOptions } from "./pager-options.ts";
import { Room } from "./room.ts";
import { WriteBack } from "./write-back.ts";
import { WrittenLsns } from "./written-lsns.ts";

const MEMORY_BYTES_DEFAULT: number = 2 ** 26;
/** A split changes four pages. */
const FRAMES_MIN = 4;
/** 16 GiB. */
const FRAMES_MAX: number = 2 ** 22;

/** What a pager is made of, each knowing those it needs. */
export interface PagerParts {
  readonly hooks: TestHooks;
  readonly cache: FrameCache;
  readonly file: PageFile;
  readonly sealer: PageSealer;
  readonly written: WrittenLsns;
  readonly room: Room;
  readonly writeBack: WriteBack;
  readonly loader: PageLoader;
}

/** Puts them together around an open file. */
export function makeParts(
  environment: Environment,
  options: PagerOptions,
  opened: { readonly file: PageFile; readonly sealer: PageSealer },
): PagerParts {
  const { path, gate, fileId, memoryBytes = MEMORY_BYTES_DEFAULT } = options;
  const { file, sealer } = opened;
  const frames = Math.floor(memoryBytes / PAGE_BYTES);
  const evictsDirty = environment.hooks.hasMutant("pager.evict-dirty");
  const frameCount = Math.min(Math.max(frames, FRAMES_MIN), FRAMES_MAX);
  const cache = new FrameCache(frameCount, evictsDirty);
  const room = new Room(environment, cache);
  const written = new WrittenLsns(environment, cache.frameCount);
  const writeBack = new WriteBack(environment, {
    path,
    cache,
    file,
    gate,
    sealer,
    written,
    isPressed: () => room.isWaitedFor,
    onSettled: (error) => (error === undefined ? room.serve() : room.fail(error)),
    onFailure: options.onFailure,
  });
  room.connect(writeBack);
  const parts = { cache, file, sealer, written, room, writeBack };
  const loader = new PageLoader(environment, {
    ...parts,
    path,
    fileId,
    epoch: options.epoch,
    logEndLsn: gate.durableLsn,
  });
  return { ...parts, hooks: environment.hooks, loader };
}
