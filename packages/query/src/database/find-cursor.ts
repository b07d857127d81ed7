import { type DocumentObject } from "@kvs/codec";
import { type Cursor, type FindQuery, protocolError } from "@kvs/protocol";
import { type DocumentQuestion } from "../document-path.ts";
import { compileFilter } from "../filter/compile-filter.ts";
import { parseFilter } from "../filter/parse-filter.ts";
import { applyProjection } from "../projection/apply-projection.ts";
import { type Projection, parseProjection } from "../projection/parse-projection.ts";
import { DocumentSorter } from "../sort/document-sorter.ts";
import { type SortSpec, parseSort } from "../sort/sort-spec.ts";
import { type FoundDocument } from "./document-store.ts";

/** Where a query finds its documents. */
export interface DocumentSource {
  byId(id: string): Promise<FoundDocument | undefined>;
  /** All of them, in the order of their ids, as of one moment, some at a time. */
  walk(): AsyncGenerator<readonly FoundDocument[], void, undefined>;
}

/**
 * The documents that a query finds: filtered, sorted, cut and projected. Without a sort it holds
 * the documents of one step of the walk; with a sort and a limit, so many as the limit.
 */
export class FindCursor<T> implements Cursor<T> {
  readonly #query: FindQuery;
  readonly #source: DocumentSource;
  #isUsed = false;

  constructor(query: FindQuery, source: DocumentSource) {
    this.#query = query;
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const documents of this.#found()) yield* documents as T[];
  }

  async toArray(): Promise<T[]> {
    const all: T[] = [];
    for await (const documents of this.#found()) {
      for (const document of documents) all.push(document as T);
    }
    return all;
  }

  async first(): Promise<T | undefined> {
    for await (const document of this) return document;
    return undefined;
  }

  async count(): Promise<number> {
    this.#use();
    // The order does not change how many there are.
    const plan = { ...planOf(this.#query), sort: [] };
    let count = 0;
    for await (const documents of this.#unsorted(plan)) count += documents.length;
    return count;
  }

  #use(): void {
    if (this.#isUsed) {
      throw protocolError("BAD_OPTION", "a cursor is used once; call find again");
    }
    this.#isUsed = true;
  }

  /** What the query finds, some at a time. */
  async *#found(): AsyncGenerator<readonly DocumentObject[], void, undefined> {
    this.#use();
    const plan = planOf(this.#query);
    const { projection } = plan;
    const found = plan.sort.length > 0 ? this.#sorted(plan) : this.#unsorted(plan);
    for await (const documents of found) {
      yield projection === undefined
        ? documents
        : documents.map((document) => applyProjection(projection, document));
    }
  }

  async *#unsorted(plan: FindPlan): AsyncGenerator<readonly DocumentObject[], void, undefined> {
    let toSkip = plan.skip;
    let left = plan.limit;
    if (left <= 0) return;
    for await (const matching of this.#matching(plan)) {
      const kept = matching.slice(toSkip, toSkip + left);
      toSkip = Math.max(0, toSkip - matching.length);
      left -= kept.length;
      if (kept.length > 0) yield kept.map(({ document }) => document);
      if (left <= 0) return;
    }
  }

  async *#sorted(plan: FindPlan): AsyncGenerator<readonly DocumentObject[], void, undefined> {
    const { skip, limit, sort } = plan;
    const options = limit === Number.POSITIVE_INFINITY ? { skip } : { skip, limit };
    const sorter = new DocumentSorter<DocumentObject>(sort, options);
    for await (const matching of this.#matching(plan)) {
      for (const { document, bytes } of matching) sorter.add(document, bytes);
    }
    yield sorter.finish();
  }

  async *#matching(plan: FindPlan): AsyncGenerator<readonly FoundDocument[], void, undefined> {
    if (plan.id !== undefined) {
      const found = await this.#source.byId(plan.id);
      if (found !== undefined && plan.matches(found.document)) yield [found];
      return;
    }
    for await (const documents of this.#source.walk()) {
      yield documents.filter(({ document }) => plan.matches(document));
    }
  }
}

interface FindPlan {
  readonly matches: DocumentQuestion;
  /** The only `_id` that can match, if the filter names one. */
  readonly id: string | undefined;
  readonly sort: SortSpec;
  readonly skip: number;
  readonly limit: number;
  readonly projection: Projection | undefined;
}

function planOf(query: FindQuery): FindPlan {
  const filter = query.filter ?? {};
  return {
    matches: compileFilter(parseFilter(filter)),
    id: idIn(filter),
    sort: parseSort(query.sort ?? {}),
    skip: countOf("skip", query.skip, 0),
    limit: countOf("limit", query.limit, Number.POSITIVE_INFINITY),
    projection: query.projection === undefined ? undefined : parseProjection(query.projection),
  };
}

function idIn(filter: object): string | undefined {
  if (!Object.hasOwn(filter, "_id")) return undefined;
  const { _id } = filter as { readonly _id?: unknown };
  return typeof _id === "string" ? _id : undefined;
}

function countOf(name: string, value: number | undefined, absent: number): number {
  if (value === undefined) return absent;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw protocolError("BAD_OPTION", `${name} is ${value}; it is an integer of at least 0`);
}
