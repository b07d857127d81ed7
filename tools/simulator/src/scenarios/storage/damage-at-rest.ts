import { type Random, pick } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { type Damage } from "./damage-explorer.ts";
import { type Allowance } from "./store-model.ts";

/** Damage that a disk may do to a store that lies still, drawn. */
export function* drawDamages(
  storage: SimStorage,
  allowed: Allowance,
  random: Random,
): Generator<Damage> {
  const paths = storage.files().filter((path) => storage.readFile(path).length > 0);
  for (let count = 0; count < DAMAGES; count++) {
    const path = pick(random, paths);
    const bytes = storage.readFile(path).length;
    const at = random.below(bytes);
    const kind = pick(random, KINDS);
    yield {
      name: `${kind} at ${at} of ${path}`,
      allowed,
      inflict: (disk) =>
        inflict(disk, kind, { path, at, bytes, random: random.split(`d${count}`) }),
    };
  }
}

/** Damages of one seed; each costs an opening. */
const DAMAGES = 12;

type DamageKind = "bit flip" | "lost sector" | "swapped pages" | "misplaced page" | "cut" | "noise";

const KINDS: readonly DamageKind[] = [
  "bit flip",
  "bit flip",
  "lost sector",
  "swapped pages",
  "misplaced page",
  "cut",
  "noise",
];

interface Place {
  readonly path: string;
  readonly at: number;
  readonly bytes: number;
  readonly random: Random;
}

function inflict(disk: SimStorage, kind: DamageKind, place: Place): void {
  const { path, at, bytes, random } = place;
  const page = Math.floor(at / 4096);
  const other = random.below(Math.ceil(bytes / 4096));
  switch (kind) {
    case "bit flip":
      disk.flipBit(path, 8 * at + random.below(8));
      return;
    case "lost sector":
      disk.zeroSector(path, Math.floor(at / 512));
      return;
    case "swapped pages":
      disk.swapPages(path, page, other);
      return;
    case "misplaced page": {
      const content = disk.readFile(path).slice(page * 4096, page * 4096 + 4096);
      disk.overwrite(path, other * 4096, content);
      return;
    }
    case "cut":
      disk.truncateFile(path, at);
      return;
    case "noise":
      disk.overwrite(path, at, random.fill(new Uint8Array(64)));
      return;
    default:
      kind satisfies never;
  }
}
