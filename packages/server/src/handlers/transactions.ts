import { decodeDocument } from "@kvs/codec";
import { readTransactionOptions } from "@kvs/protocol";
import { type BegunTransaction } from "../session/transaction-table.ts";
import { type AnswerWriter, type Handler, writeDone, writeNumber } from "./handler.ts";
import { readKey, writeEntry } from "./key-value.ts";

/** BEGIN options → transaction, its id. */
export const handleBegin: Handler = (context, reader) => {
  const options = readTransactionOptions(decodeDocument(reader.bytes()));
  context.later(context.transactions.begin(context.database, options), writeBegun);
};

/** GET_FOR_UPDATE transaction, key → value or nil, version. */
export const handleGetForUpdate: Handler = (context, reader) => {
  const transaction = context.enter(reader.uint());
  context.later(transaction.getForUpdateRaw(readKey(reader)), writeEntry);
};

/** SAVEPOINT transaction → mark. */
export const handleSavepoint: Handler = (context, reader) => {
  context.later(context.enter(reader.uint()).savepoint(), writeNumber);
};

/** ROLLBACK_TO transaction, mark → nothing. */
export const handleRollbackTo: Handler = (context, reader) => {
  const transaction = context.enter(reader.uint());
  context.later(transaction.rollbackTo(reader.uint()), writeDone);
};

/** COMMIT transaction → version. It has ended in any case. */
export const handleCommit: Handler = (context, reader) => {
  const number = reader.uint();
  const transaction = context.transactions.get(number);
  const committed = transaction.commit();
  const forget = (): void => context.transactions.remove(number);
  committed.then(forget, forget);
  context.later(committed, writeNumber);
};

/** ROLLBACK transaction → nothing. Rolling back what has ended is fine. */
export const handleRollback: Handler = (context, reader) => {
  const number = reader.uint();
  const { transactions } = context;
  const transaction = transactions.find(number);
  transactions.remove(number);
  if (transaction === undefined) context.answer(undefined, writeDone);
  else context.later(transaction.rollback(), writeDone);
};

const writeBegun: AnswerWriter<BegunTransaction> = (frame, id, { number, id: name }) => {
  frame.beginResponse(2, id);
  frame.uint(number);
  frame.text(name);
  frame.end();
};
