import { type LogImage, type LogPoint } from "../core/log-store.ts";
import { type GroupOptions } from "./group-options.ts";

/** Where a replica goes on after a start. */
export interface StartPoint {
  readonly image: LogImage;
  /** The last entry whose effect the state machine has. */
  readonly point: LogPoint;
}

/**
 * Brings the state machine up to what survived: by itself, or from the image saved last.
 *
 * @throws {KvsError} if the image is damaged; what the state machine throws.
 */
export async function findStartPoint(options: GroupOptions): Promise<StartPoint> {
  const image = options.log.image();
  const { machine, snapshots } = options;
  if (machine === undefined) return { image, point: image.base };
  if (machine.durablePoint !== undefined) {
    return { image, point: machine.durablePoint() ?? image.base };
  }
  const stored = await snapshots?.load();
  if (stored === undefined) return { image, point: image.base };
  await machine.restore(stored.image, stored.point);
  return { image, point: stored.point };
}
