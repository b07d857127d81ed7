import { compareStrings, compareValues, type DocumentValue } from "@kvs/codec";
import { type ValueQuestion } from "../document-path.ts";
import { type ComparisonOperator, type ComparisonTest } from "./filter-node.ts";
import { isDate, kindOf } from "./value-kind.ts";

/**
 * Compiles a comparison with one value.
 *
 * Only values of the same type compare; null equals null and missing. NaN equals NaN, and is
 * neither less nor greater than anything. Numbers and `bigint` compare exactly, texts by code
 * point, documents member by member in their order.
 *
 * Source: MongoDB, src/mongo/db/matcher/expression_leaf.cpp, ComparisonMatchExpression.
 */
export function compileComparison({ operator, value }: ComparisonTest): ValueQuestion {
  if (value === null) return compareNull(operator);
  if (Number.isNaN(value)) return compareNaN(operator);
  if (typeof value === "string") return compareText(operator, value);
  return isNumber(value) ? compareNumber(operator, value) : compareOther(operator, value);
}

/** Whether `operator` is also true of equal values. */
function includesEqual(operator: ComparisonOperator): boolean {
  return operator === "$eq" || operator === "$gte" || operator === "$lte";
}

function compareNull(operator: ComparisonOperator): ValueQuestion {
  if (!includesEqual(operator)) return () => false;
  return (value) => value === null || value === undefined;
}

function compareNaN(operator: ComparisonOperator): ValueQuestion {
  if (!includesEqual(operator)) return () => false;
  return (value) => Number.isNaN(value);
}

/** JavaScript compares a number with a `bigint` exactly, and NaN with nothing. */
function compareNumber(operator: ComparisonOperator, wanted: number | bigint): ValueQuestion {
  switch (operator) {
    case "$eq":
      return (value) =>
        value === wanted || (isBig(value, wanted) && compareValues(value, wanted) === 0);
    case "$gt":
      return (value) => isNumber(value) && value > wanted;
    case "$gte":
      return (value) => isNumber(value) && value >= wanted;
    case "$lt":
      return (value) => isNumber(value) && value < wanted;
    case "$lte":
      return (value) => isNumber(value) && value <= wanted;
    default:
      return operator satisfies never;
  }
}

function isNumber(value: DocumentValue | undefined): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Whether one of two numbers is a `bigint`, so that `===` does not tell. */
function isBig(
  value: DocumentValue | undefined,
  wanted: number | bigint,
): value is number | bigint {
  return typeof value === "bigint" || (typeof wanted === "bigint" && typeof value === "number");
}

function compareText(operator: ComparisonOperator, wanted: string): ValueQuestion {
  if (operator === "$eq") return (value) => value === wanted;
  const isWanted = orderQuestion(operator);
  return (value) => typeof value === "string" && isWanted(compareStrings(value, wanted));
}

/** Booleans, dates, bytes, arrays and documents. */
function compareOther(operator: ComparisonOperator, wanted: DocumentValue): ValueQuestion {
  const isWanted = orderQuestion(operator);
  if (typeof wanted === "boolean") {
    return (value) => typeof value === "boolean" && isWanted(Number(value) - Number(wanted));
  }
  if (isDate(wanted)) {
    const ms = wanted.getTime();
    return (value) => isDate(value) && isWanted(value.getTime() - ms);
  }
  const kind = kindOf(wanted);
  return (value) =>
    typeof value === "object" &&
    value !== null &&
    kindOf(value) === kind &&
    isWanted(compareValues(value, wanted));
}

function orderQuestion(operator: ComparisonOperator): (order: number) => boolean {
  switch (operator) {
    case "$eq":
      return (order) => order === 0;
    case "$gt":
      return (order) => order > 0;
    case "$gte":
      return (order) => order >= 0;
    case "$lt":
      return (order) => order < 0;
    case "$lte":
      return (order) => order <= 0;
    default:
      return operator satisfies never;
  }
}
