import { type DatabaseStats } from "@kvs/protocol";
import { type AnswerWriter, type Handler, writeDone } from "./handler.ts";

/** PING → nothing. */
export const handlePing: Handler = (context) => {
  context.answer(undefined, writeDone);
};

/** STATS → document. */
export const handleStats: Handler = (context) => {
  context.later(context.database.stats(), writeStats);
};

/** CHECKPOINT → nothing. */
export const handleCheckpoint: Handler = (context) => {
  context.later(context.database.checkpoint(), writeDone);
};

const writeStats: AnswerWriter<DatabaseStats> = (frame, id, stats) => {
  frame.beginResponse(1, id);
  frame.document({ ...stats, transactions: { ...stats.transactions } });
  frame.end();
};
