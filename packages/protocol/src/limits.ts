import { FRAME_MAX_BYTES } from "@kvs/env";

/** The version of the protocol that this package speaks. */
export const PROTOCOL_VERSION = 1;
/** The port of a server whose URL names none. */
export const DEFAULT_PORT = 5000;
/** The path at which clients open connections. */
export const WIRE_PATH = "/v1";
/** The database of a URL that names none. */
export const DEFAULT_DATABASE = "default";

/** The longest frame: one largest batch and its envelope. The network refuses longer ones. */
export const FRAME_BYTES_MAX: number = FRAME_MAX_BYTES;
/** Messages in one frame: more would keep the event loop busy for longer than 10 ms. */
export const FRAME_MESSAGES_MAX = 4096;
/** A frame this long is sent without waiting for the end of the turn: larger ones gain nothing. */
export const FRAME_TARGET_BYTES: number = 256 << 10;
/** Nesting within a frame, documents excluded: the grammar needs 4, the rest is for later fields. */
export const WIRE_DEPTH_MAX = 16;
/** The longest first frame: who has not said who it is gets no memory. */
export const HELLO_BYTES_MAX: number = 16 << 10;

/** The longest batch of writes, encoded: it has to fit one frame. */
export const BATCH_BYTES_MAX: number = 64 << 20;
/** Operations of one batch, documents of one `insertMany`: some 30 MB of objects when decoded. */
export const BATCH_OPERATIONS_MAX = 100_000;
/** The longest time to live: 34 years. A sum with any timestamp stays a safe integer. */
export const TTL_MS_MAX: number = 2 ** 40;

/** Items of one step of a cursor: their objects take a few ms to make. */
export const CURSOR_BATCH_MAX = 10_000;
/** Items a client asks for at once unless told otherwise. */
export const CURSOR_BATCH_DEFAULT = 500;
/** A step ends with the item that reaches this: what a slow reader can make the server hold. */
export const CURSOR_BATCH_BYTES: number = 1 << 20;
/** Open cursors of one connection: each pins old versions. */
export const CURSORS_MAX = 100;
/** A cursor that nobody stepped for so long is closed. */
export const CURSOR_IDLE_MS = 60_000;

/** Open transactions of one connection: each holds locks, and its writes in memory. */
export const TRANSACTIONS_MAX = 1000;
/** A transaction that nobody used for so long is rolled back, unless told otherwise. */
export const TRANSACTION_TIMEOUT_MS = 60_000;
/** The longest that may be asked for. */
export const TRANSACTION_TIMEOUT_MS_MAX = 3_600_000;

/** How long a request may take unless told otherwise. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** The longest deadline that a request carries: 24 days, what a timer can wait. */
export const REQUEST_TIMEOUT_MS_MAX: number = 2 ** 31 - 1;
/** A new connection that has not said who it is for so long is closed. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A client that has heard nothing for so long asks whether the server is there. */
export const HEARTBEAT_MS = 5000;
/** A client that then hears nothing for so long again gives the connection up. */
export const HEARTBEAT_TIMEOUT_MS = 5000;
/** A server that hears nothing from a client for so long, not even a heartbeat, hangs up. */
export const IDLE_TIMEOUT_MS = 60_000;
/** Texts of an error on the wire are cut to this many characters. */
export const ERROR_TEXT_MAX = 4096;
