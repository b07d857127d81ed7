import { type Environment, isKvsError, pick, type Random, sleep } from "@kvs/env";
import { type MembershipOperation, type RaftNode } from "@kvs/raft";
import { type RaftFleet } from "./raft-fleet.ts";

/** Voters of a group, at most: more only make messages. */
const VOTERS_MAX = 7;

/**
 * Changes members and hands leadership over, now and then, on whichever node leads. Nodes whose disks
 * were lost are replaced.
 */
export function runOperator(fleet: RaftFleet, environment: Environment, node: RaftNode): void {
  const { canChangeMembers, canTransfer } = fleet.knobs;
  if (!canChangeMembers && !canTransfer) return;
  void operate(fleet, environment, node);
}

async function operate(fleet: RaftFleet, environment: Environment, node: RaftNode): Promise<void> {
  const { tickMs, canChangeMembers, canTransfer } = fleet.knobs;
  const random = environment.random.split("operator");
  for (;;) {
    await sleep(environment.clock, tickMs * (10 + random.below(60)));
    if (node.failure !== undefined) return;
    if (!fleet.isChanging || node.role !== "leader") continue;
    const isTransfer = canTransfer && (!canChangeMembers || random.chance(0.3));
    try {
      if (isTransfer) await transfer(fleet, node, random);
      else await change(fleet, node, random);
    } catch (error) {
      if (!isKvsError(error)) throw error;
    }
    // Both at once, now and then.
    if (canTransfer && random.chance(0.2)) void transfer(fleet, node, random).catch(ignoreRefusal);
  }
}

function ignoreRefusal(error: unknown): void {
  if (!isKvsError(error)) throw error;
}

async function transfer(fleet: RaftFleet, node: RaftNode, random: Random): Promise<void> {
  const { incoming } = node.configuration;
  await node.transferLeadership(pick(random, [...incoming]));
  fleet.judge.probe("transferred");
}

async function change(fleet: RaftFleet, node: RaftNode, random: Random): Promise<void> {
  const operations = drawOperations(fleet, node, random);
  if (operations.length === 0) return;
  const isPromotion = operations.some(({ type, node: id }) => {
    return type === "add-voter" && node.configuration.learners.includes(id);
  });
  await node.changeMembership(operations, { allowLagging: random.chance(0.5) });
  fleet.judge.probe("reconfigured");
  if (isPromotion) fleet.judge.probe("learner-promoted");
}

function drawOperations(fleet: RaftFleet, node: RaftNode, random: Random): MembershipOperation[] {
  const { configuration } = node;
  const { incoming, learners } = configuration;
  const members = [...incoming, ...learners];
  const gone = members.filter((id) => !fleet.isPresent(id));
  if (gone.length > 0 && random.chance(0.7)) return replaceLost(fleet, gone, random);
  const outside = fleet.numbers.map((number) => fleet.idOf(number));
  const guests = outside.filter((id) => !members.includes(id));
  const operations = new Map<number, MembershipOperation>();
  for (let left = 1 + random.below(3); left > 0; left--) {
    const operation =
      guests.length > 0 && random.chance(0.5)
        ? invite(fleet, pick(random, guests), random)
        : turn(fleet, pick(random, members), random);
    operations.set(operation.node, operation);
  }
  const voters = configuration.incoming.length + operations.size;
  return voters > VOTERS_MAX + 2 ? [] : [...operations.values()];
}

/** A node that lost its disk goes, and its successor comes, in one change. */
function replaceLost(
  fleet: RaftFleet,
  gone: readonly number[],
  random: Random,
): MembershipOperation[] {
  const id = pick(random, gone);
  const successor = fleet.idOf(fleet.hostOf(id));
  return [{ type: "remove", node: id }, invite(fleet, successor, random)];
}

function invite(fleet: RaftFleet, node: number, random: Random): MembershipOperation {
  if (fleet.isWitness(node)) return { type: "add-witness", node };
  return { type: random.chance(0.7) ? "add-learner" : "add-voter", node };
}

function turn(fleet: RaftFleet, node: number, random: Random): MembershipOperation {
  const isKept = fleet.isPresent(node) && !fleet.isWitness(node) && random.chance(0.5);
  if (!isKept) return { type: "remove", node };
  return { type: random.chance(0.6) ? "add-voter" : "add-learner", node };
}
