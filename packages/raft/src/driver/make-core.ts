import { crc32 } from "@kvs/codec";

import { RaftCore } from "../core/raft-core.ts";
import { DEFAULT_SETTINGS } from "../core/raft-options.ts";
import { type GroupOptions } from "./group-options.ts";
import { type NodeHost } from "./node-host.ts";
import { type StartPoint } from "./start-point.ts";

/** The core of a replica, as its driver wants it. */
export function makeCore(
  host: Pick<NodeHost<unknown>, "self" | "random" | "hasMutant">,
  options: GroupOptions,
  start: StartPoint,
): RaftCore {
  const { self, random, hasMutant } = host;
  const { group, log, machine, settings, shouldPromote, observer } = options;
  const { electionTicksMax } = { ...DEFAULT_SETTINGS, ...settings };
  return new RaftCore({
    self,
    group,
    image: start.image,
    reader: log,
    random: random.split(`raft/${group}`),
    checksum: crc32,
    // A leader whose disk hangs for longer than others would wait for it is none (REL-R24).
    settings: { diskStallTicks: electionTicksMax, ...settings },
    isWitness: machine === undefined,
    hasMutant,
    ...(machine !== undefined && { appliedPoint: start.point }),
    ...(shouldPromote !== undefined && { shouldPromote }),
    ...(observer !== undefined && { observer }),
  });
}
