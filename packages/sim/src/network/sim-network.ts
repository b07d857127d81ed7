import { assert, type Network, type Random, type Trace } from "@kvs/env";
import { type Incarnation } from "../incarnation.ts";
import { Scheduler } from "../scheduler.ts";
import { type Fabric } from "./fabric.ts";
import { Link, type LinkSettings, QUIET_LINK } from "./link.ts";
import { NetworkPort, type PortNetwork } from "./network-port.ts";
import { type Cut, cutsBetween } from "./partitions.ts";
import { type SimConnection } from "./sim-connection.ts";
import { type SimListener } from "./sim-listener.ts";

const KIND_HEAL = Scheduler.kind("network.heal");

/** Where a system begins to choose ports by itself. */
const EPHEMERAL_PORT = 49_152;
const PORT_MAX = 65_535;

/** What the network is made of; fixed for a simulation. */
export interface SimNetworkOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly countFault: (kind: string) => void;
  readonly traceOf: (incarnation: Incarnation) => Trace;
  readonly settings?: Partial<LinkSettings>;
  /** Default: 60,000. Linux gives up after some 15 minutes, longer than most simulations last. */
  readonly giveUpMs?: number;
  /** Bytes a peer may leave unread before the sender has to wait. Default: 262,144. */
  readonly windowBytes?: number;
}

/** A fault that lasts until it is healed. */
export interface NetworkFault {
  /** Ends this fault only. A second call, or one after `SimNetwork.heal`, does nothing. */
  heal(): void;
}

interface HostPorts {
  isPoweredOn: boolean;
  /** One object for each fault that makes the host refuse. */
  readonly refusals: Set<object>;
  readonly listeners: Map<number, SimListener>;
}

/**
 * The network between all hosts: a link for each direction between two of them. Host names are
 * addresses: `ws://n1:5000/peer`.
 *
 * Faults are of this object and of links; processes see them only through their connections.
 */
export class SimNetwork {
  readonly #options: SimNetworkOptions;
  readonly #hosts = new Map<string, HostPorts>();
  readonly #links = new Map<string, Map<string, Link>>();
  readonly #connections = new Set<SimConnection>();
  readonly #fabric: Fabric;
  readonly #ports: PortNetwork;
  #settings: LinkSettings;
  #nextConnectionId = 1;
  #nextPort = EPHEMERAL_PORT;

  constructor(options: SimNetworkOptions) {
    this.#options = options;
    this.#settings = { ...QUIET_LINK, ...options.settings };
    this.#fabric = {
      scheduler: options.scheduler,
      giveUpMicros: (options.giveUpMs ?? 60_000) * 1000,
      windowBytes: options.windowBytes ?? 262_144,
      link: (from, to) => this.#link(from, to),
      countFault: options.countFault,
      nextConnectionId: () => this.#nextConnectionId++,
    };
    this.#ports = this.#makePorts();
  }

  /** How links behave that have no settings of their own. */
  get settings(): LinkSettings {
    return this.#settings;
  }

  /** Sides of connections that are open now; two for each connection. */
  get openSides(): number {
    return this.#connections.size;
  }

  /** Changes how links behave that have no settings of their own. */
  configure(settings: Partial<LinkSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
  }

  /** Gives one direction settings of its own, on top of others in force. */
  override(from: string, to: string, settings: Partial<LinkSettings>): NetworkFault {
    return once([this.#link(from, to).override(settings)]);
  }

  /** Whether messages of `from` reach `to` now. */
  canReach(from: string, to: string): boolean {
    return !this.#link(from, to).isBlocked;
  }

  /** Cuts one direction. What is on the wire waits there, as with TCP. */
  cut(from: string, to: string): NetworkFault {
    return this.cutAll([[from, to]]);
  }

  /** Cuts several directions at once. */
  cutAll(cuts: readonly Cut[]): NetworkFault {
    const links = cuts.map(([from, to]) => {
      assert(from !== to, "a host always reaches itself");
      return this.#link(from, to);
    });
    return once(links.map((link) => link.block()));
  }

  /** Cuts all directions between hosts of different groups; hosts in no group are not touched. */
  partition(groups: readonly (readonly string[])[]): NetworkFault {
    return this.cutAll(cutsBetween(groups));
  }

  /** Holds back everything one host sends or is sent, as if a switch's port hung. */
  clogHost(host: string): NetworkFault {
    const others = [...this.#hosts.keys()].filter((other) => other !== host);
    return this.cutAll(
      others.flatMap((other): Cut[] => [
        [host, other],
        [other, host],
      ]),
    );
  }

  /** Refuses new connections and requests to a host, as if its process had no listener. */
  refuse(host: string): NetworkFault {
    const ports = this.#host(host);
    const refusal = {};
    ports.refusals.add(refusal);
    return once([() => ports.refusals.delete(refusal)]);
  }

  /**
   * Breaks every connection between two hosts; both sides notice.
   *
   * @returns How many connections broke.
   */
  resetConnections(left: string, right: string): number {
    const sides = this.#sidesBetween(left, right);
    for (const side of sides) side.break();
    return Math.ceil(sides.length / 2);
  }

  /**
   * Makes `host` lose its connections with `peer`, which does not notice until it sends.
   *
   * @returns How many connections are half-open now.
   */
  halfOpen(host: string, peer: string): number {
    const sides = this.#sidesBetween(host, peer).filter(
      (side) => side.incarnation.host.name === host,
    );
    for (const side of sides) side.vanish();
    return sides.length;
  }

  /** Ends a fault after `forMs` of virtual time. */
  healAfter(fault: NetworkFault, forMs: number): void {
    this.#options.scheduler.schedule(forMs * 1000, { kind: KIND_HEAL }, () => fault.heal());
  }

  /**
   * Ends all cuts, clogs, refusals and overrides; `settings` stay.
   *
   * @param hosts Only those of these hosts, and of the links between them. Default: everywhere.
   */
  heal(hosts: readonly string[] = [...this.#hosts.keys()]): void {
    for (const host of hosts) this.#host(host).refusals.clear();
    for (const links of this.#links.values()) {
      for (const link of links.values()) {
        if (hosts.includes(link.from) && hosts.includes(link.to)) link.heal();
      }
    }
  }

  /** Adds a host, powered on. For the simulation. */
  addHost(host: string): void {
    assert(!this.#hosts.has(host), "host names are unique");
    this.#hosts.set(host, { isPoweredOn: true, refusals: new Set(), listeners: new Map() });
  }

  /** The network as one process sees it. For the simulation. */
  attach(incarnation: Incarnation): Network {
    return new NetworkPort(this.#ports, incarnation);
  }

  /** Ends what a dead process had open. Without power its peers hear nothing. For the simulation. */
  processDied(incarnation: Incarnation, isPowerCut: boolean): void {
    const ports = this.#host(incarnation.host.name);
    ports.listeners.clear();
    if (isPowerCut) ports.isPoweredOn = false;
    for (const side of this.#connections) {
      if (side.incarnation === incarnation) side.processDied(isPowerCut);
    }
  }

  /** Gives a host its power back. For the simulation. */
  powerOn(host: string): void {
    const ports = this.#host(host);
    if (ports.isPoweredOn) return;
    ports.isPoweredOn = true;
    for (const links of this.#links.values()) {
      for (const link of links.values()) if (link.from === host || link.to === host) link.wake();
    }
  }

  #host(name: string): HostPorts {
    const found = this.#hosts.get(name);
    assert(found !== undefined, "every host of the network was added to the simulation");
    return found;
  }

  #link(from: string, to: string): Link {
    const links = this.#links.get(from) ?? new Map<string, Link>();
    this.#links.set(from, links);
    const found = links.get(to);
    if (found !== undefined) return found;
    const ends = [this.#host(from), this.#host(to)] as const;
    const made = new Link({
      from,
      to,
      random: this.#options.random.split(`${from}>${to}`),
      defaults: () => this.#settings,
      isDark: () => !ends[0].isPoweredOn || !ends[1].isPoweredOn,
    });
    links.set(to, made);
    return made;
  }

  #sidesBetween(left: string, right: string): SimConnection[] {
    return [...this.#connections].filter((side) => {
      const here = side.incarnation.host.name;
      const there = side.remote.host;
      return (here === left && there === right) || (here === right && there === left);
    });
  }

  #makePorts(): PortNetwork {
    return {
      fabric: this.#fabric,
      hasHost: (host) => this.#hosts.has(host),
      findListener: (host, port) => {
        const ports = this.#host(host);
        return ports.refusals.size > 0 ? undefined : ports.listeners.get(port);
      },
      claimPort: (host, port) => this.#claimPort(host, port),
      openListener: (host, listener) => this.#host(host).listeners.set(listener.port, listener),
      releasePort: (host, port) => this.#host(host).listeners.delete(port),
      ephemeralPort: () => this.#ephemeralPort(),
      track: (connection) => this.#connections.add(connection),
      untrack: (connection) => this.#connections.delete(connection),
      traceOf: this.#options.traceOf,
    };
  }

  #claimPort(host: string, port: number): number | undefined {
    const { listeners } = this.#host(host);
    if (port !== 0) return listeners.has(port) ? undefined : port;
    for (let tries = EPHEMERAL_PORT; tries <= PORT_MAX; tries++) {
      const chosen = this.#ephemeralPort();
      if (!listeners.has(chosen)) return chosen;
    }
    return undefined;
  }

  #ephemeralPort(): number {
    const port = this.#nextPort++;
    if (this.#nextPort > PORT_MAX) this.#nextPort = EPHEMERAL_PORT;
    return port;
  }
}

/** A fault that ends once, by all of `ends`. */
function once(ends: readonly (() => void)[]): NetworkFault {
  let isOver = false;
  return {
    heal: () => {
      if (isOver) return;
      isOver = true;
      for (const end of ends) end();
    },
  };
}
