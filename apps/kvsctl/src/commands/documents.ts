import { type FindQuery } from "@kvs/protocol";
import { fromJson } from "../json-values.ts";
import { CommandFailure, type Session, withDatabase } from "../session.ts";

/** Documents shown on a terminal unless the query has a limit. */
const TERMINAL_DOCUMENTS = 50;

/** Prints the documents that a query finds. */
export function find(session: Session, collection: string, query: string): Promise<void> {
  const { output } = session;
  const parsed = parseObject(query, 'a query such as {"filter":{"age":{"$gt":30}}}') as FindQuery;
  checkMembers(parsed);
  const isShort = output.isTerminal && !output.isJson && parsed.limit === undefined;
  const asked = isShort ? { ...parsed, limit: TERMINAL_DOCUMENTS + 1 } : parsed;
  return withDatabase(session, async (database) => {
    const found: object[] = [];
    for await (const document of database.collection(collection).find(asked)) {
      if (output.isJson) await output.value(document);
      else found.push(document);
    }
    if (output.isJson) return;
    if (found.length === 0) {
      output.say("nothing found");
      return;
    }
    const hasMore = isShort && found.length > TERMINAL_DOCUMENTS;
    output.documents(hasMore ? found.slice(0, -1) : found);
    if (hasMore) output.line(`(the first ${TERMINAL_DOCUMENTS}; "limit" in the query shows more)`);
  });
}

export function insert(session: Session, collection: string, document: string): Promise<void> {
  const parsed = parseObject(document, 'a document such as {"name":"Ada"}');
  return withDatabase(session, async (database) => {
    const id = await database.collection(collection).insert(parsed);
    if (session.output.isJson) await session.output.value({ _id: id });
    else session.output.say(`inserted ${id}`);
  });
}

const QUERY_MEMBERS: readonly string[] = ["filter", "sort", "skip", "limit", "projection"];

function checkMembers(query: object): void {
  for (const name of Object.keys(query)) {
    if (QUERY_MEMBERS.includes(name)) continue;
    throw new CommandFailure(
      `a query has no member "${name}", only ${QUERY_MEMBERS.join(", ")}; ` +
        `conditions go into the filter: {"filter":{"${name}":…}}`,
    );
  }
}

function parseObject(text: string, wanted: string): object {
  try {
    const value = fromJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`not JSON: ${reason}; expected ${wanted}`, { cause: error });
  }
  throw new CommandFailure(`expected ${wanted}`);
}
