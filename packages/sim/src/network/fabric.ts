import { type Scheduler } from "../scheduler.ts";
import { type Link } from "./link.ts";

/** What the parts of the network share. */
export interface Fabric {
  readonly scheduler: Scheduler;
  /** A connection that makes no progress for this long breaks on the side that sends. */
  readonly giveUpMicros: number;
  /** Bytes on the wire, sent and not yet read, per direction of a connection. */
  readonly windowBytes: number;
  link(from: string, to: string): Link;
  countFault(kind: string): void;
  nextConnectionId(): number;
}

/**
 * Sends one message outside any connection, and calls `arrived` at its far end, in an internal
 * event. While the link is blocked the message is lost.
 *
 * @param bytes What it takes of the link's bandwidth.
 */
export function transmit(
  fabric: Fabric,
  link: Link,
  message: { readonly bytes: number; readonly kind: number; readonly flags: number },
  arrived: () => void,
): void {
  const { scheduler } = fabric;
  const delay = link.drawTransferMicros(message.bytes, scheduler.nowMicros, (kind) => {
    fabric.countFault(kind);
  });
  scheduler.schedule(delay, { kind: message.kind, flags: message.flags }, () => {
    if (!link.isBlocked) arrived();
  });
}
