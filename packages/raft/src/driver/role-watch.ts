import { type GroupId, type NodeId, type Term } from "../core/ids.ts";
import { type Role } from "../core/raft-state.ts";
import { type RaftNode } from "./raft-node.ts";

/** What a replica is in its group now. */
export interface RoleChange {
  readonly group: GroupId;
  readonly role: Role;
  readonly term: Term;
  /** Who leads this term, if the replica knows. */
  readonly leader: NodeId | undefined;
}

/** Tells when what a replica is has changed. */
export class RoleWatch {
  readonly #changed: (change: RoleChange) => void;
  readonly #known: Map<GroupId, RoleChange> = new Map();

  constructor(changed: (change: RoleChange) => void) {
    this.#changed = changed;
  }

  /** Looks at a replica, at the end of its turn. */
  look({ group, role, leader, core }: RaftNode): void {
    const known = this.#known.get(group);
    const { term } = core;
    if (known?.role === role && known.term === term && known.leader === leader) return;
    const change = { group, role, term, leader };
    this.#known.set(group, change);
    this.#changed(change);
  }

  forget(group: GroupId): void {
    this.#known.delete(group);
  }
}
