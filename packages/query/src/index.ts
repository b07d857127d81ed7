export {
  type DocumentPath,
  type DocumentQuestion,
  type LeafArrays,
  PATH_MAX_CHARACTERS,
  PATH_NAMES_MAX,
  parsePath,
  valuesAt,
} from "./document-path.ts";
export { compileFilter } from "./filter/compile-filter.ts";
export {
  type ComparisonOperator,
  type ComparisonTest,
  FILTER_DEPTH_MAX,
  FILTER_TESTS_MAX,
  FILTER_VALUES_MAX,
  type FilterNode,
  type InTest,
  type RegexTest,
  type TypeName,
  type ValueTest,
} from "./filter/filter-node.ts";
export { parseFilter } from "./filter/parse-filter.ts";
export {
  REGEX_INSTRUCTIONS_MAX,
  REGEX_PATTERN_MAX,
  REGEX_WORK_MAX,
} from "./filter/regular-expression.ts";
export { applyProjection } from "./projection/apply-projection.ts";
export {
  PROJECTION_FIELDS_MAX,
  type Projection,
  type ProjectionTree,
  parseProjection,
} from "./projection/parse-projection.ts";
export { type QueryErrorCode } from "./query-error.ts";
export { DocumentSorter, SORT_MAX_BYTES, type SorterOptions } from "./sort/document-sorter.ts";
export { type SortKey, compareDocuments, compareSortKeys, sortKeyOf } from "./sort/sort-key.ts";
export { SORT_FIELDS_MAX, type SortField, type SortSpec, parseSort } from "./sort/sort-spec.ts";
export { type Comparator, TopK } from "./sort/top-k.ts";
export { DatabaseEngine, type EngineParts } from "./database/database-engine.ts";
export {
  type OpenOptions,
  type OpenedStore,
  openDatabase,
  openEngine,
} from "./database/open-database.ts";
export { type RowSource } from "./database/row-store.ts";
