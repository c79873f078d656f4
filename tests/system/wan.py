"""The network between the sites, for the system tests: a TCP proxy for each pair of sites, with the real distances. What a process of
site A connects to at site B goes through it (tests/support/reroute.c); documents and daemons know nothing of it. Every direction
can be cut, clogged and healed by itself. The proxies are one process of their own, ended with the cluster.

  hold       octets, ends of streams and new connections wait until the direction is healed, as TCP does through a short outage
  blackhole  they are lost, and no connection that saw it ever hears in that direction again, as when a firewall lost its state
  close      connections are closed, new ones too

A direction may also drip: behind the first octets of a connection, in which the handshake is, bulk answers come at a few octets a second,
while the mesh is as fast as before.

A direction is that of the octets, whoever dialled. What is on its way is at most WINDOW octets a connection and direction, so that a
sender feels a cut or a clog as TCP would."""
import asyncio
import collections
import os
import subprocess
import sys
import time

HOLD, BLACKHOLE, CLOSE = 'hold', 'blackhole', 'close'
ROUND_TRIP_MS = {frozenset(('zrh', 'sjc')): 150, frozenset(('zrh', 'sin')): 165, frozenset(('sjc', 'sin')): 175}
WINDOW = 4 << 20
CLOGGED_WINDOW = 64 << 10
PIECE = 64 << 10
DRIP_AFTER = 8 << 10


# ---------------------------------------------------------------- in the proxies' process

class Direction:
    """From one site to another, of all connections between them."""

    def __init__(self, delay_s):
        self.delay_s, self.cut, self.rate, self.drip = delay_s, None, 0, 0
        self.changed = asyncio.Condition()
        self.octets = 0

    async def change(self, cut, rate, drip):
        async with self.changed:
            self.cut, self.rate, self.drip = cut, rate, drip
            self.changed.notify_all()

    async def wait_until(self, condition):
        async with self.changed:
            await self.changed.wait_for(condition)

    def window(self):
        return CLOGGED_WINDOW if self.rate or self.drip or self.cut else WINDOW


class Pump:
    """One direction of one connection: a queue of (when due, octets); b'' is the end of the stream."""

    def __init__(self, direction, reader, writer, is_bulk):
        self.direction, self.reader, self.writer, self.is_bulk = direction, reader, writer, is_bulk
        self.queue, self.queued, self.passed, self.is_lost = collections.deque(), 0, 0, False
        self.moved = asyncio.Event()

    async def run(self):
        await asyncio.gather(self.read(), self.write())

    async def read(self):
        octets = b'more'
        while octets:
            while self.queued >= self.direction.window() and not self.is_lost:
                self.moved.clear()
                await self.moved.wait()
            try:
                octets = await self.reader.read(PIECE)
            except OSError:
                octets = b''
            self.queue.append((time.monotonic() + self.direction.delay_s, octets))
            self.queued += len(octets)
            self.moved.set()

    async def write(self):
        octets = b'more'
        while octets:
            while not self.queue:
                self.moved.clear()
                await self.moved.wait()
            due, octets = self.queue.popleft()
            await asyncio.sleep(due - time.monotonic())
            await self.pass_on(octets)
            self.queued -= len(octets)
            self.moved.set()

    def rate(self):
        """Octets a second; 0: as fast as it goes."""
        drip = self.direction.drip if self.is_bulk and self.passed >= DRIP_AFTER else 0
        return self.direction.rate or drip

    def step(self):
        """How much goes at once."""
        free = DRIP_AFTER - self.passed if self.is_bulk and self.direction.drip else 0
        return self.rate() // 10 or (free if free > 0 else PIECE)

    async def pass_on(self, octets):
        direction, is_more = self.direction, True
        while is_more:
            await direction.wait_until(lambda: direction.cut != HOLD)
            rate, step = self.rate(), self.step()
            piece, octets = octets[:step], octets[step:]
            is_more = len(octets) > 0
            if self.is_lost or direction.cut:
                self.is_lost = True
                return
            self.put(piece)
            direction.octets += len(piece)
            self.passed += len(piece)
            if rate:
                await asyncio.sleep(0.1)
            else:
                await self.drain()

    def put(self, piece):
        self.is_lost = self.is_lost or self.writer.is_closing()
        try:
            if not self.is_lost:
                self.writer.write(piece) if piece else self.writer.write_eof()
        except (OSError, RuntimeError):
            self.is_lost = True

    async def drain(self):
        try:
            await self.writer.drain()
        except OSError:
            self.is_lost = True


class Route:
    """Where connections of one site to one port of another come in."""

    def __init__(self, there, back, what, port):
        self.there, self.back, self.is_bulk, self.port = there, back, what == 'bulk', port
        self.writers, self.pumps = set(), set()

    def directions(self):
        return self.there, self.back

    async def serve(self, reader, writer):
        self.writers.add(writer)
        far = None
        try:
            if await self.is_connected():
                far_reader, far = await asyncio.open_connection('127.0.0.1', self.port)
                self.writers.add(far)
                await self.carry((Pump(self.there, reader, far, self.is_bulk),
                                  Pump(self.back, far_reader, writer, self.is_bulk)))
        except OSError:
            pass
        finally:
            for end in (writer, far):
                if end is not None:
                    self.writers.discard(end)
                    end.close()

    async def is_connected(self):
        """TCP's handshake takes a round trip, and gets lost where one of its directions is cut."""
        await asyncio.sleep(self.there.delay_s + self.back.delay_s)
        for direction in self.directions():
            await direction.wait_until(lambda: direction.cut in (None, CLOSE))
        return not any(direction.cut for direction in self.directions())

    async def carry(self, pumps):
        self.pumps.update(pumps)
        try:
            await asyncio.gather(*(pump.run() for pump in pumps))
        finally:
            self.pumps.difference_update(pumps)

    def lose(self, direction):
        for pump in self.pumps:
            pump.is_lost = pump.is_lost or pump.direction is direction
            pump.moved.set()

    def close(self):
        for writer in list(self.writers):
            writer.transport.abort()


class Network:
    """All of it, with the orders that change it: `cut A B MODE`, `clog A B OCTETS-A-SECOND`,
    `drip A B OCTETS-A-SECOND`, `heal A B`, `octets`."""

    def __init__(self):
        self.directions, self.routes = {}, []

    async def listen(self, near, far, what, port, target, delay_s):
        for pair in ((near, far), (far, near)):
            self.directions.setdefault(pair, Direction(delay_s))
        route = Route(self.directions[near, far], self.directions[far, near], what, target)
        self.routes.append(route)
        await asyncio.start_server(route.serve, '127.0.0.1', port)

    async def obey(self, words):
        if words[0] == 'octets':
            return ' '.join(f'{a}-{b}={direction.octets}' for (a, b), direction in sorted(self.directions.items()))
        direction = self.directions[words[1], words[2]]
        cut = words[3] if words[0] == 'cut' else None
        rate, drip = (int(words[3]) if words[0] == order else 0 for order in ('clog', 'drip'))
        await direction.change(cut, rate, drip)
        for route in self.routes:
            if direction in route.directions() and cut == BLACKHOLE:
                route.lose(direction)
            if direction in route.directions() and cut == CLOSE:
                route.close()
        return 'ok'


async def serve(routes):
    network, loop = Network(), asyncio.get_running_loop()
    for route in routes:
        near, far, what, port, target, delay_s = route.split(',')
        await network.listen(near, far, what, int(port), int(target), float(delay_s))
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print('ok', flush=True)
    while line := await orders.readline():
        print(await network.obey(line.decode().split()), flush=True)


# ---------------------------------------------------------------- in the test's process

class Wan:
    """Stands between the sites of a cluster that has not been started."""

    def __init__(self, cluster, round_trip_ms=None):
        from cluster import SITES, die_with_parent, free_port, support
        self.sites = SITES
        routes, reroutes = [], {site: [] for site in SITES}
        for near in SITES:
            for far in SITES:
                for what in ('mesh', 'bulk') if near != far else ():
                    port, target = free_port(), cluster.ports[far, what]
                    delay_s = (round_trip_ms or ROUND_TRIP_MS)[frozenset((near, far))] / 2000
                    routes.append(f'{near},{far},{what},{port},{target},{delay_s}')
                    reroutes[near].append(f'{target}={port}')
        self.child = subprocess.Popen([sys.executable, os.path.abspath(__file__), *routes], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=die_with_parent)
        self.answer()
        for name in cluster.names:
            environment = cluster.environments.setdefault(name, {})
            before = [environment['LD_PRELOAD']] if 'LD_PRELOAD' in environment else []
            environment['LD_PRELOAD'] = ':'.join(before + [support('reroute.so')])
            environment['REROUTE'] = ','.join(reroutes[cluster.place(name)])
        cluster.others.append(self)

    def answer(self):
        line = self.child.stdout.readline()
        assert line, 'the proxies ended'
        return line.strip()

    def order(self, *words):
        self.child.stdin.write(' '.join(str(word) for word in words) + '\n')
        self.child.stdin.flush()
        return self.answer()

    def cut(self, near, far, mode=HOLD):
        self.order('cut', near, far, mode)

    def clog(self, near, far, octets_a_second):
        self.order('clog', near, far, octets_a_second)

    def drip(self, near, far, octets_a_second):
        self.order('drip', near, far, octets_a_second)

    def heal(self, near=None, far=None):
        """One direction, or all of them."""
        for a in self.sites:
            for b in self.sites:
                if a != b and near in (None, a) and far in (None, b):
                    self.order('heal', a, b)

    def octets(self):
        """What each direction has carried: {'zrh-sjc': n, …}."""
        return {pair: int(count) for pair, count in (word.split('=') for word in self.order('octets').split())}

    def end(self, number=None):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


if __name__ == '__main__':
    asyncio.run(serve(sys.argv[1:]))
