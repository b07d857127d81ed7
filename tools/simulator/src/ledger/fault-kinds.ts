import { type DiskFaultKind, allowedKinds } from "@kvs/sim";

/** All kinds of the disk; the compiler says which one is missing. */
const DISK_KINDS: Readonly<Record<DiskFaultKind, true>> = {
  "disk.bad-sector": true,
  "disk.bit-flip": true,
  "disk.crash-garbage-after-end": true,
  "disk.crash-keep-all": true,
  "disk.crash-prefix": true,
  "disk.crash-size-without-data": true,
  "disk.crash-subset": true,
  "disk.crash-torn": true,
  "disk.crash-worst-case": true,
  "disk.eio-name": true,
  "disk.eio-read": true,
  "disk.eio-write": true,
  "disk.full": true,
  "disk.lost-write": true,
  "disk.misdirected-write": true,
  "disk.overwritten": true,
  "disk.removed-file": true,
  "disk.short-read": true,
  "disk.short-write": true,
  "disk.stall": true,
  "disk.swapped-pages": true,
  "disk.sync-failed": true,
  "disk.too-many-files": true,
  "disk.torn-page": true,
  "disk.torn-sector": true,
  "disk.truncated-file": true,
  "disk.zeroed-sector": true,
};

/** Effects that no plan asks for by name: they follow from others. */
const CONSEQUENCES = ["clock.late-timer", "network.give-up"];

/** Every kind of fault that the simulator knows. One that stays at zero is a hole in a scenario. */
export const FAULT_KINDS: readonly string[] = [
  ...new Set([
    ...allowedKinds({ canBreakConnections: true, canFailDisks: true, canDamageDisks: true }),
    ...Object.keys(DISK_KINDS),
    ...CONSEQUENCES,
  ]),
].toSorted();
