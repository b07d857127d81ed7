/** Built-in bugs of the driver, which named tests must catch. All are off in production. */
export const DRIVER_MUTANTS = [
  /** REL-R1, R2: what waits for the disk is sent before it is durable. */
  "raft.driver.send-before-persist",
  /** REL-R2: the core is told of writes that no sync has made durable. */
  "raft.driver.report-before-sync",
  /** REL-R20: a slice of entries is given to the state machine twice. */
  "raft.driver.apply-twice",
  /** REL-R22: a proposal whose place another entry took counts as committed. */
  "raft.driver.ignore-term",
  /** REL-R10: a confirmed read is answered before the state has applied its index. */
  "raft.driver.read-before-apply",
  /** REL-R19: an image is installed without looking at its checksum. */
  "raft.driver.trust-image",
  /** REL-R19: the log is cut before the image that replaces it is durable. */
  "raft.driver.compact-before-save",
  /** REL-R13: timers act before the sockets are read. */
  "raft.driver.tick-before-input",
  /** REL-R23: frames are believed whatever their checksum says. */
  "raft.driver.believe-frames",
] as const;

export type DriverMutant = (typeof DRIVER_MUTANTS)[number];
export type DriverSabotage = Readonly<Record<DriverMutant, boolean>>;
