import { KvsError, isKvsError } from "@kvs/env";

/**
 * What can be wrong with bytes from a peer. Nothing was taken in: the outcome is always `none`.
 *
 * - `RAFT_FRAME_DAMAGED`: the checksum of a frame is wrong; the link or the sender's memory is bad. The sender repeats what matters.
 * - `RAFT_FRAME_FOREIGN`: a frame comes from another cluster; correct the addresses of the peers.
 * - `RAFT_FRAME_UNSUPPORTED`: a newer program wrote a frame; update this one.
 * - `RAFT_FRAME_MALFORMED`: a frame has a right checksum, but breaks the format: its sender is no sound program.
 */
export type RaftFrameErrorCode =
  | "RAFT_FRAME_DAMAGED"
  | "RAFT_FRAME_FOREIGN"
  | "RAFT_FRAME_UNSUPPORTED"
  | "RAFT_FRAME_MALFORMED";

export function frameDamaged(expected: number, found: number): KvsError<RaftFrameErrorCode> {
  const message = "the checksum of a frame is wrong; check the link to the peer";
  const details = { expected, found };
  return new KvsError("RAFT_FRAME_DAMAGED", message, { outcome: "none", details });
}

export function frameForeign(cluster: number, found: number): KvsError<RaftFrameErrorCode> {
  const message = `a frame is from cluster ${found}, this is ${cluster}; correct the peer's address`;
  const details = { cluster, found };
  return new KvsError("RAFT_FRAME_FOREIGN", message, { outcome: "none", details });
}

export function frameUnsupported(version: number): KvsError<RaftFrameErrorCode> {
  const message = `a frame has format ${version}, which this program does not know; update it`;
  return new KvsError("RAFT_FRAME_UNSUPPORTED", message, { outcome: "none", details: { version } });
}

export function frameMalformed(what: string, cause?: unknown): KvsError<RaftFrameErrorCode> {
  const message = `${what}; look for what else sends to this port`;
  const details = isKvsError(cause) ? cause.details : {};
  const options = { outcome: "none", details } as const;
  return new KvsError(
    "RAFT_FRAME_MALFORMED",
    message,
    cause === undefined ? options : { ...options, cause },
  );
}
