/** How one thing that the server needs is doing. */
export type CheckStatus = "ok" | "warn" | "fail" | "unknown";

/** A look at one thing. May wait, but not long; what it throws counts as `fail`. */
export type HealthProbe = () => CheckStatus | Promise<CheckStatus>;

/** What only the host of the server can tell; a probe that is missing is `unknown`. */
export interface HealthProbes {
  /** Whether the files can be written and synced. */
  readonly storage?: HealthProbe;
  readonly memory?: HealthProbe;
  readonly diskSpace?: HealthProbe;
}

/** The body of `GET /health`. */
export interface HealthReport {
  /** `unhealthy` if a check fails, `degraded` if one warns or the server is closing. */
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly node_id: string;
  /** A server without a cluster leads itself. */
  readonly role: "leader" | "follower" | "candidate" | "learner" | "witness";
  readonly cluster_size: number;
  /** `single` while there is nobody to replicate to. */
  readonly replication_status: "single" | "healthy" | "lagging" | "broken";
  readonly checks: {
    readonly storage: CheckStatus;
    readonly memory: CheckStatus;
    readonly disk_space: CheckStatus;
    readonly network: CheckStatus;
  };
}

/** What the server knows by itself. */
export interface HealthFacts {
  readonly nodeId: string;
  readonly isClosing: boolean;
  /** Whether connections or requests are at their limit. */
  readonly isAtLimit: boolean;
}

/** Looks at everything, now. */
export async function reportHealth(
  facts: HealthFacts,
  probes: HealthProbes,
): Promise<HealthReport> {
  const [storage, memory, diskSpace] = await Promise.all([
    probe(probes.storage),
    probe(probes.memory),
    probe(probes.diskSpace),
  ]);
  const network: CheckStatus = facts.isAtLimit || facts.isClosing ? "warn" : "ok";
  const checks = { storage, memory, disk_space: diskSpace, network };
  return {
    status: overall(Object.values(checks)),
    node_id: facts.nodeId,
    role: "leader",
    cluster_size: 1,
    replication_status: "single",
    checks,
  };
}

async function probe(look: HealthProbe | undefined): Promise<CheckStatus> {
  if (look === undefined) return "unknown";
  try {
    return await look();
  } catch {
    return "fail";
  }
}

function overall(checks: readonly CheckStatus[]): HealthReport["status"] {
  if (checks.includes("fail")) return "unhealthy";
  return checks.includes("warn") ? "degraded" : "healthy";
}
