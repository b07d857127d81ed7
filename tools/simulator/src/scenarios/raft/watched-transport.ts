import { type Message, type RaftTransport, type TransportHandlers } from "@kvs/raft";

/** A transport that tells what leaves the node. */
export function watchTransport(
  inner: RaftTransport,
  onSend: (message: Message) => void,
): RaftTransport {
  return {
    start: (handlers: TransportHandlers) => inner.start(handlers),
    send: (to, messages) => {
      for (const message of messages) onSend(message);
      inner.send(to, messages);
    },
    close: () => inner.close(),
  };
}
