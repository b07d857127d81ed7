import { type Environment } from "@kvs/env";

import { type NodeId } from "../core/ids.ts";
import { type Message } from "../core/message.ts";

/** What a transport tells. Nothing is called inside the call that caused it. */
export interface TransportHandlers {
  /** Messages of a peer, addressed to this node, of any groups. */
  received(messages: readonly Message[]): void;
  /** The peer's connection broke, or nothing is heard of it any more. */
  peerLost(node: NodeId): void;
}

/**
 * Carries messages between processes. It may lose, repeat, delay and reorder them; what it delivers is
 * what was sent, and `from` is who sent it.
 */
export interface RaftTransport {
  /** Begins delivery. Called once. */
  start(handlers: TransportHandlers): void;
  /** Sends what one turn has for a peer, of all groups together. The messages are not changed later. */
  send(to: NodeId, messages: readonly Message[]): void;
  /** Ends it; nothing is delivered any more. */
  close(): Promise<void>;
}

/** Connects nodes of one process: for tests and examples. Messages are handed over as they are. */
export class InProcessHub {
  readonly #nodes: Map<NodeId, TransportHandlers> = new Map();

  /** The transport of one node. */
  transport(environment: Pick<Environment, "clock">, self: NodeId): RaftTransport {
    const nodes = this.#nodes;
    return {
      start: (handlers) => void nodes.set(self, handlers),
      send: (to, messages) => {
        environment.clock.defer(() => {
          if (nodes.has(self)) nodes.get(to)?.received(messages);
        });
      },
      close: () => {
        nodes.delete(self);
        for (const handlers of nodes.values()) {
          environment.clock.defer(() => handlers.peerLost(self));
        }
        return Promise.resolve();
      },
    };
  }
}
