export { BTree, type ScanOptions } from "./btree.ts";
export { type BtreeErrorCode } from "./btree-error.ts";
export { BulkLoad } from "./bulk-load.ts";
export {
  type Attempt,
  FINDINGS_MAX,
  type TreeFault,
  type TreeFinding,
  type TreeReport,
  checkTree,
} from "./check.ts";
export { copyBytes } from "./copy-bytes.ts";
export { Cursor } from "./cursor.ts";
export { type RangeEstimate, RangeEstimator } from "./range-estimate.ts";
export { Descent } from "./descent.ts";
export { type LoadRowsOptions, type MapEntry, loadRows } from "./load-rows.ts";
export { type ValuePacking } from "./overflow-packing.ts";
export { OverflowReader, RunList } from "./overflow-reader.ts";
export {
  OVERFLOW_PAGE_BYTES,
  type OverflowValue,
  TREE_VALUE_BYTES_MAX,
  isLongValue,
  overflowPages,
  readOverflow,
  writeOverflow,
} from "./overflow-value.ts";
export { OverflowWriter } from "./overflow-writer.ts";
export { checkPage } from "./page-check.ts";
export { type DescribeTreeOptions, describePage, describeTree } from "./inspect.ts";
export { PAGE_MOVE_FRAMES, PageMove } from "./page-move.ts";
export { PageEditor, type TreePageShape } from "./page-editor.ts";
export {
  OP_BITS,
  OP_IMAGE,
  OP_INSERT,
  OP_KEEP_FIRST,
  OP_REMOVE,
  PageOps,
  writeImage,
  writeOpHeader,
} from "./page-op.ts";
export { type PageReader, type PageWriter, type UndoKind } from "./page-writer.ts";
export { PlainPages } from "./plain-pages.ts";
export { BEHIND_ALL_VERSIONS, NEWEST_VERSION, Probe } from "./probe.ts";
export { RowFinder } from "./row-finder.ts";
export { type RowValue } from "./row.ts";
export {
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  INLINE_CELL_BYTES_MAX,
  LEAF_REST_OFFSET,
  TREE_KEY_BYTES_MAX,
  cellValueAt,
  cellValueLength,
  copyKey,
  entryCount,
  entryInfo,
  keyLength,
  leafVersion,
} from "./tree-page.ts";
export { TreeFill } from "./tree-fill.ts";
export { type TreeState, newTreeState } from "./tree-state.ts";
export { hasSameKey } from "./vacuum.ts";
export { TreeWriter, type TreeWriterOptions } from "./tree-writer.ts";
