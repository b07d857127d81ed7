import { SEND_BUFFER_BYTES, SEND_BUFFER_MAX_BYTES, sleep } from "@kvs/env";
import { check, checkFails, checkSoon } from "./check.ts";
import { httpCases } from "./network-http.ts";
import {
  checkFrames,
  listenAt,
  type NetworkCase,
  numberedFrame,
  Side,
  withPair,
  type Pair,
} from "./network-case.ts";
import { tlsCases } from "./network-tls.ts";

/** Every promise of `Network` that shows on a working network; both environments keep them all. */
export function networkConformance(): readonly NetworkCase[] {
  return [
    ...frameCases(),
    ...handlerCases(),
    ...closeCases(),
    ...frameLimitCases(),
    ...pressureCases(),
    ...listenCases(),
    ...admissionCases(),
    ...httpCases(),
    ...tlsCases(),
  ];
}

function frameCases(): NetworkCase[] {
  return [
    {
      name: "frames arrive whole, unaltered and in order, both ways",
      run: async (subject) => {
        const lengths = [1, 2, 125, 126, 127, 1000, 65_535, 65_536, 65_537, 1_000_000, 3];
        await withPair(subject, async ({ client, server }) => {
          for (const [index, bytes] of lengths.entries()) {
            client.connection.send(numberedFrame(index, bytes));
            server.connection.send(numberedFrame(index, bytes));
          }
          await checkSoon(subject.clock, "all frames arrive", () => {
            return [client, server].every((side) => side.frames.length >= lengths.length);
          });
          checkFrames(client.frames, lengths);
          checkFrames(server.frames, lengths);
        });
      },
    },
    {
      name: "many small frames of many turns arrive in order",
      run: async (subject) => {
        const lengths = Array.from({ length: 500 }, (_, index) => 1 + (index % 50));
        await withPair(subject, async ({ client, server }) => {
          for (const [index, bytes] of lengths.entries()) {
            client.connection.send(numberedFrame(index, bytes));
            if (index % 100 === 99) await sleep(subject.clock, 1);
          }
          const isDone = (): boolean => server.frames.length >= lengths.length;
          await checkSoon(subject.clock, "all frames arrive", isDone);
          checkFrames(server.frames, lengths);
        });
      },
    },
  ];
}

function handlerCases(): NetworkCase[] {
  return [
    {
      name: "what the receiver does to a frame is its own affair",
      run: async (subject) => {
        await withPair(subject, async ({ client, server }) => {
          const sent = numberedFrame(0, 100);
          client.connection.send(sent.slice());
          await checkSoon(subject.clock, "the frame arrives", () => server.frames.length === 1);
          server.connection.send(server.frames[0]!.slice());
          server.frames[0]!.fill(0);
          await checkSoon(subject.clock, "the echo arrives", () => client.frames.length === 1);
          checkFrames(client.frames, [100]);
        });
      },
    },
    {
      name: "no handler runs inside a call",
      run: async (subject) => {
        await withPair(subject, async ({ client, server }) => {
          client.connection.send(numberedFrame(0, 10));
          check(server.frames.length === 0, "sending delivers nothing by itself");
          await checkSoon(subject.clock, "the frame arrives", () => server.frames.length === 1);
          server.connection.close();
          check(server.closed.length === 0, "closing calls nothing by itself");
          await checkSoon(subject.clock, "it closes", () => server.closed.length === 1);
        });
      },
    },
    {
      name: "a connection knows its path and peer, and has an id of its own",
      run: async (subject) => {
        await withPair(subject, async ({ client, server, listener }) => {
          check(client.connection.path === "/peer", "the client knows the path");
          check(server.connection.path === "/peer", "the server knows the path");
          check(client.connection.remote.port === listener.port, "the client knows the port");
          check(client.connection.identity === undefined, "without TLS nobody is known");
          check(server.connection.identity === undefined, "without TLS nobody is known");
          await withPair(subject, (second) => {
            const isOwn = second.client.connection.id !== client.connection.id;
            check(isOwn && second.server.connection.id !== server.connection.id, "ids differ");
            return Promise.resolve();
          });
        });
      },
    },
  ];
}

function closeCases(): NetworkCase[] {
  return [
    {
      name: "closing sends what is queued, and each side is told once, last, and why",
      run: async (subject) => {
        const lengths = Array.from({ length: 50 }, () => 5000);
        await withPair(subject, async ({ client, server }) => {
          for (const [index, bytes] of lengths.entries()) {
            client.connection.send(numberedFrame(index, bytes));
          }
          client.connection.close();
          client.connection.close();
          check(!client.connection.send(new Uint8Array(1)), "a closing connection takes no frame");
          await checkSoon(subject.clock, "both close", () => {
            return client.closed.length > 0 && server.closed.length > 0;
          });
          await sleep(subject.clock, 5);
          checkFrames(server.frames, lengths);
          client.checkClosed("local");
          server.checkClosed("remote");
        });
      },
    },
    {
      name: "the side that accepted can close, too",
      run: async (subject) => {
        await withPair(subject, async ({ client, server }) => {
          server.connection.send(numberedFrame(0, 10));
          server.connection.close();
          await checkSoon(subject.clock, "both close", () => {
            return client.closed.length > 0 && server.closed.length > 0;
          });
          checkFrames(client.frames, [10]);
          client.checkClosed("remote");
          server.checkClosed("local");
        });
      },
    },
    {
      name: "discarding closes at once, and the peer notices",
      run: async (subject) => {
        await withPair(subject, async ({ client, server }) => {
          client.connection.send(numberedFrame(0, 10));
          client.connection.close("discard");
          check(!client.connection.send(new Uint8Array(1)), "it takes no frame any more");
          await checkSoon(subject.clock, "both close", () => {
            return client.closed.length > 0 && server.closed.length > 0;
          });
          client.checkClosed("local");
          server.checkClosed("reset", "remote");
        });
      },
    },
  ];
}

function frameLimitCases(): NetworkCase[] {
  return [
    {
      name: "a frame that is too long closes the connection before it is delivered",
      run: async (subject) => {
        await withPair(
          subject,
          async ({ client, server }) => {
            client.connection.send(numberedFrame(0, 1000));
            client.connection.send(numberedFrame(1, 1001));
            await checkSoon(subject.clock, "both close", () => {
              return client.closed.length > 0 && server.closed.length > 0;
            });
            checkFrames(server.frames, [1000]);
            server.checkClosed("frame-too-large");
            client.checkClosed("remote", "reset");
          },
          { listen: { maxFrameBytes: 1000 } },
        );
      },
    },
    {
      name: "the first frame may have a lower limit of its own",
      run: async (subject) => {
        const limits = { listen: { maxFirstFrameBytes: 1000 } };
        const short = async ({ client, server }: Pair): Promise<void> => {
          client.connection.send(numberedFrame(0, 1000));
          client.connection.send(numberedFrame(1, 1_000_000));
          await checkSoon(subject.clock, "both come", () => server.frames.length === 2);
          checkFrames(server.frames, [1000, 1_000_000]);
        };
        const long = async ({ client, server }: Pair): Promise<void> => {
          client.connection.send(numberedFrame(0, 1_000_000));
          await checkSoon(subject.clock, "it closes", () => server.closed.length > 0);
          checkFrames(server.frames, []);
          server.checkClosed("frame-too-large");
        };
        await withPair(subject, short, limits);
        await withPair(subject, long, limits);
      },
    },
    {
      name: "the client limits the frames it takes, too",
      run: async (subject) => {
        await withPair(
          subject,
          async ({ client, server }) => {
            server.connection.send(numberedFrame(0, 1001));
            const isOver = (): boolean => client.closed.length > 0;
            await checkSoon(subject.clock, "the client closes", isOver);
            checkFrames(client.frames, []);
            client.checkClosed("frame-too-large");
          },
          { connect: { maxFrameBytes: 1000 } },
        );
      },
    },
  ];
}

function pressureCases(): NetworkCase[] {
  return [
    {
      name: "a paused side gets nothing, and all of it, in order, after it resumes",
      run: async (subject) => {
        await withPair(subject, async ({ client, server }) => {
          server.connection.pause();
          for (let index = 0; index < 20; index++) {
            client.connection.send(numberedFrame(index, 100));
          }
          await sleep(subject.clock, 50);
          check(server.frames.length === 0, "nothing is delivered while paused");
          server.connection.resume();
          const isDone = (): boolean => server.frames.length >= 20;
          await checkSoon(subject.clock, "all frames arrive", isDone);
          checkFrames(
            server.frames,
            Array.from({ length: 20 }, () => 100),
          );
        });
      },
    },
    {
      name: "a sender is asked to stop while the peer does not read, and told when to go on",
      run: async (subject) => {
        await withPair(subject, async ({ client, server }) => {
          server.connection.pause();
          await sleep(subject.clock, 5);
          const frames: number[] = [];
          const frameBytes = 200_000;
          while (client.connection.send(numberedFrame(frames.length, frameBytes))) {
            frames.push(frameBytes);
            check(frames.length < 1000, "the buffer fills");
            if (frames.length % 10 === 0) await sleep(subject.clock, 2);
          }
          frames.push(frameBytes); // the last one was queued, too
          check(client.connection.bufferedBytes > SEND_BUFFER_BYTES, "much is queued");
          check(client.drainedCount === 0, "nothing is drained yet");
          server.connection.resume();
          await checkSoon(subject.clock, "the sender is told", () => client.drainedCount === 1);
          const isDone = (): boolean => server.frames.length >= frames.length;
          await checkSoon(subject.clock, "all frames arrive", isDone);
          checkFrames(server.frames, frames);
          check(client.connection.bufferedBytes === 0, "nothing is queued any more");
        });
      },
    },
    {
      name: "a sender that does not stop loses the connection before memory is lost",
      run: async (subject) => {
        await withPair(subject, async ({ client, server }) => {
          server.connection.pause();
          const frameBytes = 8 << 20;
          const most = SEND_BUFFER_MAX_BYTES / frameBytes + 20; // and what the system takes
          for (let sent = 0; sent < most && client.closed.length === 0; sent++) {
            client.connection.send(new Uint8Array(frameBytes));
            if (sent % 4 === 3) await sleep(subject.clock, 1);
          }
          const isOver = (): boolean => client.closed.length > 0;
          await checkSoon(subject.clock, "the connection closes", isOver);
          client.checkClosed("overflow");
          server.connection.resume();
        });
      },
    },
  ];
}

function listenCases(): NetworkCase[] {
  return [
    {
      name: "a port has one listener, is free after close, and then refuses",
      run: async (subject) => {
        const { clock, client, host } = subject;
        const first = await listenAt(subject);
        check(first.port > 0 && first.port <= 65_535, "port 0 means a chosen one");
        await checkFails({ code: "NET_ADDRESS_IN_USE" }, () =>
          listenAt(subject, { port: first.port }),
        );
        await first.close();
        await first.close();
        const again = await listenAt(subject, { port: first.port });
        check(again.port === first.port, "the port asked for");
        await again.close();
        await sleep(clock, 1);
        await checkFails({ code: "NET_REFUSED" }, () =>
          client.connect(`ws://${host}:${again.port}/`),
        );
      },
    },
    {
      name: "listening at an address that is not the host's fails",
      run: async (subject) => {
        await checkFails({ code: "NET_UNREACHABLE" }, () =>
          listenAt(subject, { host: "203.0.113.77" }),
        );
      },
    },
    {
      name: "closing a listener closes its connections, and waits for that",
      run: async (subject) => {
        await withPair(subject, async ({ client, server, listener }) => {
          await listener.close();
          server.checkClosed("local");
          await checkSoon(subject.clock, "the client closes", () => client.closed.length > 0);
          client.checkClosed("remote", "reset");
        });
      },
    },
  ];
}

function admissionCases(): NetworkCase[] {
  return [
    {
      name: "a path may be refused",
      run: async (subject) => {
        const { client, host } = subject;
        const listener = await listenAt(subject, { acceptsPath: (path) => path === "/peer" });
        const refused = `ws://${host}:${listener.port}/other`;
        const details = await checkFails({ code: "NET_REJECTED" }, () => client.connect(refused));
        check(typeof details["status"] === "number", "the refusal has an HTTP status");
        const side = new Side(await client.connect(`ws://${host}:${listener.port}/peer`));
        check(side.connection.path === "/peer", "the other path is open");
        await listener.close();
      },
    },
    {
      name: "a connection too many is refused with status 503; when one goes there is room",
      run: async (subject) => {
        const { client, clock, host } = subject;
        const accepted: Side[] = [];
        const listener = await listenAt(subject, {
          connectionsMax: 2,
          connection: (connection) => void accepted.push(new Side(connection)),
        });
        const url = `ws://${host}:${listener.port}/`;
        const first = new Side(await client.connect(url));
        const second = new Side(await client.connect(url));
        const details = await checkFails({ code: "NET_REJECTED" }, () => client.connect(url));
        check(details["status"] === 503, "the status is 503");
        first.connection.close();
        await checkSoon(clock, "the server notices", () =>
          accepted.some((s) => s.closed.length > 0),
        );
        const third = new Side(await client.connect(url));
        check(second.closed.length === 0 && third.closed.length === 0, "two are open");
        await listener.close();
      },
    },
    {
      name: "connections and HTTP requests share a port",
      run: async (subject) => {
        const { client, host } = subject;
        const body = new Uint8Array([1, 2, 3]);
        const listener = await listenAt(subject, { http: () => ({ status: 200, body }) });
        const side = new Side(await client.connect(`ws://${host}:${listener.port}/`));
        const response = await client.request(`http://${host}:${listener.port}/health`);
        check(response.status === 200 && response.body?.length === 3, "the request is answered");
        check(side.closed.length === 0, "the connection stays");
        await listener.close();
      },
    },
  ];
}
