/** What the server's own process says of itself. */
export interface ProbeReading {
  /** The longest time that its event loop did not come to a timer that was due. */
  readonly loopDelayMaxMs: number;
  /** The most memory that was resident at any time since its start. */
  readonly rssMaxMb: number;
}
