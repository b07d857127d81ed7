import { unreachable } from "@kvs/env";
import { IMPOSSIBLE, type Model } from "./model.ts";

/**
 * One operation on a key-value store whose values carry versions, with its answer.
 *
 * A version is a positive number that the store assigns and that grows with every put of a key.
 * `ifVersion` makes an operation conditional on it; 0 asks that the key be absent. `isRefused`
 * marks a conditional operation that was answered "the condition does not hold".
 */
export type KeyValueOperation =
  | {
      readonly type: "get";
      readonly key: string;
      /** `undefined`: the key was absent. */
      readonly value: string | number | undefined;
      /** As answered; `undefined` if the key was absent or the client did not ask. */
      readonly version?: number | undefined;
    }
  | {
      readonly type: "put";
      readonly key: string;
      readonly value: string | number;
      readonly ifVersion?: number | undefined;
      /** The version it was given; `undefined` if unknown. */
      readonly version?: number | undefined;
      readonly isRefused?: boolean;
    }
  | {
      readonly type: "delete";
      readonly key: string;
      readonly ifVersion?: number | undefined;
      /** Whether there was something to delete; `undefined` if unknown. */
      readonly existed?: boolean | undefined;
      readonly isRefused?: boolean;
    };

/** What one key holds. */
export interface KeyValueState {
  readonly value: string | number | undefined;
  /** 0: absent. `undefined`: present, with a version above `newest` that nobody has seen yet. */
  readonly version: number | undefined;
  /** The newest version ever seen of this key: all later ones are greater. */
  readonly newest: number;
}

/** Get, put and delete, each conditional on a version if one wants. Keys are absent at first. */
export const keyValueModel: Model<KeyValueState, KeyValueOperation> = {
  init: () => ({ value: undefined, version: 0, newest: 0 }),
  step(state, operation) {
    if (operation.type === "get") return stepGet(state, operation.value, operation.version);
    const { ifVersion } = operation;
    if (operation.isRefused === true) {
      return ifVersion !== undefined && state.version !== ifVersion ? state : IMPOSSIBLE;
    }
    const agreed = ifVersion === undefined ? state : assumeVersion(state, ifVersion);
    if (agreed === IMPOSSIBLE) return IMPOSSIBLE;
    if (operation.type === "put") return stepPut(agreed, operation.value, operation.version);
    if (operation.type === "delete") return stepDelete(agreed, operation.existed);
    return unreachable(operation, "key-value operation");
  },
  isRead: (operation) => operation.type === "get" || operation.isRefused === true,
  key: (operation) => operation.key,
  identity: ({ value, version, newest }) => JSON.stringify([value, version, newest]),
  content: (state) => state.value,
  expects(operation) {
    if (operation.type === "get") return { content: operation.value };
    if (operation.isRefused === true || operation.ifVersion !== 0) return undefined;
    return { content: undefined };
  },
  leaves(operation) {
    if (operation.type === "get" || operation.isRefused === true) return undefined;
    return { content: operation.type === "put" ? operation.value : undefined };
  },
  describe: describeOperation,
  describeState({ value, version }) {
    return version === 0 ? "absent" : `${JSON.stringify(value)} at version ${version ?? "?"}`;
  },
};

type Stepped = KeyValueState | typeof IMPOSSIBLE;

function stepGet(state: KeyValueState, value: unknown, version: number | undefined): Stepped {
  if (value !== state.value) return IMPOSSIBLE;
  return version === undefined ? state : assumeVersion(state, version);
}

function stepPut(
  state: KeyValueState,
  value: string | number,
  version: number | undefined,
): Stepped {
  if (version === undefined) return { value, version, newest: state.newest };
  return version > state.newest ? { value, version, newest: version } : IMPOSSIBLE;
}

function stepDelete(state: KeyValueState, existed: boolean | undefined): Stepped {
  const isThere = state.version !== 0;
  if (existed !== undefined && existed !== isThere) return IMPOSSIBLE;
  return { value: undefined, version: 0, newest: state.newest };
}

/** The state, now known to be of `version`; or `IMPOSSIBLE` if it is of another. */
function assumeVersion(state: KeyValueState, version: number): Stepped {
  if (state.version !== undefined) return state.version === version ? state : IMPOSSIBLE;
  return version > state.newest ? { ...state, version, newest: version } : IMPOSSIBLE;
}

function describeOperation(operation: KeyValueOperation): string {
  if (operation.type === "get") {
    const version = operation.version === undefined ? "" : ` at version ${operation.version}`;
    return `get → ${JSON.stringify(operation.value) ?? "absent"}${version}`;
  }
  const what = operation.type === "put" ? `put ${JSON.stringify(operation.value)}` : "delete";
  const condition = operation.ifVersion === undefined ? "" : ` if version ${operation.ifVersion}`;
  return `${what}${condition}${describeAnswer(operation)}`;
}

function describeAnswer(operation: Exclude<KeyValueOperation, { type: "get" }>): string {
  if (operation.isRefused === true) return " → refused";
  const answer = operation.type === "put" ? operation.version : operation.existed;
  return answer === undefined ? "" : ` → ${answer}`;
}
