import { type TestHooks, noTestHooks } from "@kvs/env";

/**
 * The log's built-in sabotage: each is a deliberate bug that a named test must catch. All are off
 * in production.
 */
export interface Sabotage {
  /** `wal.skip-datasync`: groups are written, not made durable. */
  readonly skipsDatasync: boolean;
  /** `wal.ack-before-sync`: a group is acknowledged before it is written. */
  readonly acksBeforeSync: boolean;
  /** `wal.ignore-epoch`: the remains of a tail that was cut are taken for records. */
  readonly ignoresEpoch: boolean;
  /** `wal.skip-prev-lsn`: what stood at another position is taken for a record. */
  readonly skipsPreviousLsn: boolean;
  /** `wal.trust-length`: a length field is believed, whatever the segment holds. */
  readonly trustsLength: boolean;
  /** `wal.header-outside-checksum`: checksums cover the payload only. */
  readonly leavesHeaderOut: boolean;
  /** `wal.reuse-nonce`: every fragment is sealed with the same nonce. */
  readonly reusesNonce: boolean;
  /** `wal.skip-associated-data`: a sealed fragment does not say where it belongs. */
  readonly skipsAssociatedData: boolean;
  /** `wal.skip-directory-sync`: a new segment's name is not made durable. */
  readonly skipsDirectorySync: boolean;
  /** `wal.open-by-name`: a segment is taken for what its file is called. */
  readonly opensByName: boolean;
  /** `wal.drop-before-archive`: segments go before they were handed out. */
  readonly dropsBeforeArchive: boolean;
  /** `wal.ignore-reserve`: everybody may use the space kept for what is urgent. */
  readonly ignoresReserve: boolean;
  /** `wal.ignore-retention`: truncation does not ask what others still need. */
  readonly ignoresRetention: boolean;
}

/** Asks once which sabotage is on. */
export function readSabotage(hooks: TestHooks): Sabotage {
  return {
    skipsDatasync: hooks.hasMutant("wal.skip-datasync"),
    acksBeforeSync: hooks.hasMutant("wal.ack-before-sync"),
    ignoresEpoch: hooks.hasMutant("wal.ignore-epoch"),
    skipsPreviousLsn: hooks.hasMutant("wal.skip-prev-lsn"),
    trustsLength: hooks.hasMutant("wal.trust-length"),
    leavesHeaderOut: hooks.hasMutant("wal.header-outside-checksum"),
    reusesNonce: hooks.hasMutant("wal.reuse-nonce"),
    skipsAssociatedData: hooks.hasMutant("wal.skip-associated-data"),
    skipsDirectorySync: hooks.hasMutant("wal.skip-directory-sync"),
    opensByName: hooks.hasMutant("wal.open-by-name"),
    dropsBeforeArchive: hooks.hasMutant("wal.drop-before-archive"),
    ignoresReserve: hooks.hasMutant("wal.ignore-reserve"),
    ignoresRetention: hooks.hasMutant("wal.ignore-retention"),
  };
}

/** Production. */
export const noSabotage: Sabotage = readSabotage(noTestHooks);
