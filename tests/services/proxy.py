"""A wire that can misbehave: a TCP proxy between a client and one server on loopback.

    wire = Proxy("kafka"); wire.start(); wire.target = 9092
    wire.set("throttle", 20_000); ...; wire.heal()

It runs in a thread of its own. A fault holds from set() to heal() and meets connections that are open
as well as new ones. `hits` counts how often the fault in force did something, so that a test can tell
a fault that was survived from one that never happened.
"""

import asyncio
import random
import socket
import struct
import threading

READ_BYTES = 64 << 10
RST = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends a reset

# name: what its number means. Replies are what the server sends.
FAULTS = {
    "delay": "mean seconds that each piece of data waits, either way",
    "throttle": "bytes per second, either way",
    "reset": "chance that a piece of data, either way, ends the connection with a reset instead",
    "half_open": "no meaning: nothing passes on any connection that says something; those stay dead for good",
    "truncate": "chance that half of a reply's piece passes, and then an orderly end",
    "flip": "chance that one bit of a reply's piece is another one",
    "swallow": "chance that a reply is lost and the connection reset: the server has acted, nobody knows",
    "refuse": "no meaning: every connection is ended at once",
}


class Proxy:
    def __init__(self, name, seed=1):
        self.name, self.random = name, random.Random(seed)
        self.target = self.port = self.fault = None
        self.amount, self.hits = 0, 0
        self.writers, self.tasks = set(), set()

    # -- from the test's thread ------------------------------------------------------------------------------------
    def start(self):
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def set(self, fault, amount=1):
        if fault not in FAULTS:
            raise ValueError(f"no fault {fault!r}; there are {', '.join(FAULTS)}")
        self.hits, self.amount, self.fault = 0, amount, fault
        if fault == "refuse":
            self.loop.call_soon_threadsafe(self.reset_all)

    def heal(self):
        self.fault = None

    def stop(self):
        if self.port:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()

    # -- the proxy's thread ----------------------------------------------------------------------------------------
    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.never = asyncio.Event()
        server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        server.close()
        self.reset_all()
        for task in list(self.tasks):
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*list(self.tasks), return_exceptions=True))
        self.loop.close()

    def reset_all(self):
        for writer in list(self.writers):
            reset(writer)

    async def serve(self, reader, writer):
        self.writers.add(writer)
        task = asyncio.current_task()
        self.tasks.add(task)  # the loop itself would let it be collected
        task.add_done_callback(self.tasks.discard)
        try:
            if self.fault == "refuse":
                self.hits += 1
                return
            try:
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
            except OSError:
                return  # the server is down: so are we
            await self.join(reader, writer, there_reader, there_writer)
        finally:
            self.writers.discard(writer)
            reset(writer)

    async def join(self, reader, writer, there_reader, there_writer):
        """Both ways until both have ended; an error of one ends the other."""
        ways = [
            asyncio.ensure_future(self.pass_on(reader, there_writer, False)),
            asyncio.ensure_future(self.pass_on(there_reader, writer, True)),
        ]
        try:
            await asyncio.gather(*ways)
        except (OSError, EOFError):
            pass  # one side is gone, or a fault has ended it: the other end goes too
        finally:
            for way in ways:
                way.cancel()
            reset(there_writer)

    async def pass_on(self, reader, writer, is_reply):
        while data := await reader.read(READ_BYTES):
            if self.fault:
                data = await self.spoil(data, writer, is_reply)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def spoil(self, data, writer, is_reply):
        """What is left of the data. EOFError: the connection ends here."""
        fault, amount = self.fault, self.amount
        if fault in ("delay", "throttle", "half_open"):
            self.hits += 1
        if fault == "delay":
            await asyncio.sleep(self.random.uniform(0, 2 * amount))
        elif fault == "throttle":
            await asyncio.sleep(len(data) / amount)
        elif fault == "half_open":
            await self.never.wait()  # the client must give up by itself
        elif fault == "reset" and self.happens():
            raise EOFError
        elif is_reply and fault == "swallow" and self.happens():
            raise EOFError
        elif is_reply and fault == "flip" and self.happens():
            return flipped(data, self.random)
        elif is_reply and fault == "truncate" and self.happens():
            writer.write(data[: len(data) // 2])
            await writer.drain()
            writer.write_eof()
            await asyncio.sleep(0.05)  # the end is read before the reset comes
            raise EOFError
        return data

    def happens(self):
        is_now = self.random.random() < self.amount
        self.hits += is_now
        return is_now


def flipped(data, source):
    spoiled = bytearray(data)
    spoiled[source.randrange(len(spoiled))] ^= 1 << source.randrange(8)
    return bytes(spoiled)


def reset(writer):
    end = writer.get_extra_info("socket")
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    except OSError:
        pass  # closed already
    writer.transport.abort()
