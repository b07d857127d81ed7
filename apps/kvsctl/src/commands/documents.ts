import { closestName } from "@kvs/env";
import { type FindQuery } from "@kvs/protocol";
import { fromJson, isObject } from "../json-values.ts";
import { CommandFailure, type Session, noteIfMissing, withDatabase } from "../session.ts";

/** Documents shown on a terminal unless the query has a limit. */
const TERMINAL_DOCUMENTS = 50;

/** Prints the documents that a query finds: a table on a terminal, else one JSON value a line. */
export function find(session: Session, collection: string, query: string): Promise<void> {
  const { output } = session;
  const parsed = parseObject(query, 'a query such as {"filter":{"age":{"$gt":30}}}') as FindQuery;
  checkMembers(parsed);
  const isTable = output.isTerminal && !output.isJson;
  const isShort = isTable && parsed.limit === undefined;
  const asked = isShort ? { ...parsed, limit: TERMINAL_DOCUMENTS + 1 } : parsed;
  return withDatabase(session, async (database) => {
    const found: object[] = [];
    let count = 0;
    for await (const document of database.collection(collection).find(asked)) {
      count++;
      if (isTable) found.push(document);
      else await output.value(document);
    }
    if (count === 0) await noteIfMissing(database, collection);
    if (!isTable) return;
    if (count === 0) {
      await output.say("nothing found");
      return;
    }
    const hasMore = isShort && found.length > TERMINAL_DOCUMENTS;
    await output.documents(hasMore ? found.slice(0, -1) : found);
    if (hasMore)
      await output.line(`(the first ${TERMINAL_DOCUMENTS}; "limit" in the query shows more)`);
  });
}

/** Stores a document. */
export function insert(session: Session, collection: string, document: string): Promise<void> {
  const parsed = parseObject(document, 'a document such as {"name":"Ada"}');
  return withDatabase(session, async (database) => {
    const id = await database.collection(collection).insert(parsed);
    if (session.output.isJson) await session.output.value({ _id: id });
    else await session.output.say(`inserted ${id}`);
  });
}

const QUERY_MEMBERS: readonly string[] = ["filter", "sort", "skip", "limit", "projection"];

function checkMembers(query: object): void {
  for (const name of Object.keys(query)) {
    if (QUERY_MEMBERS.includes(name)) continue;
    const closest = closestName(name, QUERY_MEMBERS);
    const advice =
      closest === undefined
        ? `conditions stand in its filter: {"filter":{"${name}":…}}`
        : `did you mean "${closest}"?`;
    throw new CommandFailure(
      `a query has no member "${name}", only ${QUERY_MEMBERS.join(", ")}; ${advice}`,
    );
  }
}

function parseObject(text: string, wanted: string): object {
  try {
    const value = fromJson(text);
    if (isObject(value)) return value;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`not JSON: ${reason}; expected ${wanted}`, { cause: error });
  }
  throw new CommandFailure(`expected ${wanted}`);
}
