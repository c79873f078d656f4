"""Goal: whatever breaks, in whatever order, secondaries hold certified zones, no version has two contents, nobody sees a bogus
answer; and when the faults stop, all is as if nothing had been.
Method: three sites and three coordinators at the real distances; waves of kills, stops, cuts, clogs and full disks drawn from one
seed, under an input that changes every second; after each wave the next release must come. NSD and Knot with all sites as
primaries, an Unbound before each; all of them are asked and transferred from throughout. CONSIGN_CHAOS_S is how long (default
60), CONSIGN_CHAOS_SEED repeats a plan. NSD may step back to an older version for a moment: when two transfers meet one of its
reloads it forgets its serial and asks the next primary, which may be behind. A site may not."""
import collections
import contextlib
import os
import random
import signal
import subprocess
import threading
import time
import unittest

import cluster
import test_kill
import test_secondaries
from cluster import SITES, Cluster, find_tool, small_zone, wait_for
from test_disk import fill, mount
from test_kill import Worker
from test_secondaries import dig
from wan import BLACKHOLE, CLOSE, HOLD, Wan

DISK_SITE, DISK_SIZE = 'sin', '16m'
LONG_S = 600  # a run so long flips all bits of its certificates
CALM_S = 90  # what may pass from the last fault to a release everywhere; a deadline of a round (120 s) is no excuse
BOGUS = range(5, 13)  # extended errors of validation (RFC 8914)

UNBOUND_CONF = test_secondaries.UNBOUND_CONF.replace('verbosity: 1', 'verbosity: 1\n  ede: yes\n  val-log-level: 2')


# ---------------------------------------------------------------- faults

Fault = collections.namedtuple('Fault', 'kind what argument seconds')

# kind: (weight, seconds at least, at most)
KINDS = {'kill': (6, 0.2, 6), 'stop': (4, 0.5, 12), 'cut': (6, 0.5, 15), 'alone': (2, 1, 15), 'clog': (2, 2, 12), 'worker': (1, 0, 0),
         'full': (2, 5, 20)}


def draw_one(rng, names):
    kind = rng.choices(list(KINDS), [weight for weight, _, _ in KINDS.values()])[0]
    seconds = rng.uniform(*KINDS[kind][1:])
    what, argument = rng.choice(SITES), None
    if kind in ('kill', 'stop'):
        what = rng.choice(names)
    elif kind in ('cut', 'clog'):
        what = tuple(rng.sample(SITES, 2))
        argument = rng.choice((HOLD, BLACKHOLE, CLOSE)) if kind == 'cut' else rng.choice((500, 4000, 40000))
    elif kind == 'alone':
        argument = rng.choice((HOLD, BLACKHOLE, CLOSE))
    elif kind == 'full':
        what = DISK_SITE
    return Fault(kind, what, argument, seconds)


def uses(fault):
    """What no two faults may touch at once."""
    if fault.kind in ('cut', 'clog'):
        return [fault.what]
    if fault.kind == 'alone':
        return [(a, b) for a in SITES for b in SITES if a != b and fault.what in (a, b)]
    return ['disk'] if fault.kind == 'full' else [fault.what]


def draw_wave(rng, seconds, names):
    """(when, fault), by time; all are over at `seconds`."""
    at, free, wave = 0.0, {}, []
    while at < seconds:
        fault = draw_one(rng, names)
        at += rng.expovariate(1 / 2.5)
        begin = max([at] + [free.get(thing, 0.0) for thing in uses(fault)])
        if begin + fault.seconds < seconds:
            wave.append((begin, fault))
            free.update((thing, begin + fault.seconds + 0.1) for thing in uses(fault))
    return sorted(wave, key=lambda item: item[0])


def draw_plan(seed, seconds, names):
    """Waves; the same for the same seed, length and names."""
    rng, left, waves = random.Random(seed), seconds, []
    while left > 0:
        length = rng.uniform(8, 25)
        waves.append(draw_wave(rng, length, names))
        left -= length + 5
    return waves


class Chaos:
    """Does what a plan says, and undoes it."""

    def __init__(self, c, has_disk):
        self.c, self.has_disk, self.done, self.down = c, has_disk, collections.Counter(), set()

    def steps(self, wave):
        """(when, what to call), by time."""
        steps = []
        for begin, fault in wave:
            on, off = getattr(self, fault.kind), getattr(self, f'un{fault.kind}')
            steps += [(begin, 0, on, fault), (begin + fault.seconds, 1, off, fault)]
        return sorted(steps, key=lambda step: step[:2])

    def run(self, wave, check):
        began = time.monotonic()
        for when, is_end, step, fault in self.steps(wave):
            while time.monotonic() - began < when:
                check()
                time.sleep(min(0.1, max(0.0, when - (time.monotonic() - began))))
            self.done[fault.kind] += not is_end
            step(fault)

    def check_alive(self):
        for name in set(self.c.names) - self.down:
            assert self.c.is_alive(name), f'{name} ended by itself, status {self.c.processes[name].child.returncode}'

    def kill(self, fault):
        self.down.add(fault.what)
        self.c.kill(fault.what)

    def unkill(self, fault):
        self.c.start(fault.what)
        self.down.discard(fault.what)

    def stop(self, fault):
        self.c.processes[fault.what].child.send_signal(signal.SIGSTOP)

    def unstop(self, fault):
        self.c.processes[fault.what].child.send_signal(signal.SIGCONT)

    def cut(self, fault):
        self.c.wan.cut(*fault.what, fault.argument)

    def uncut(self, fault):
        self.c.wan.heal(*fault.what)

    def alone(self, fault):
        for pair in uses(fault):
            self.c.wan.cut(*pair, fault.argument)

    def unalone(self, fault):
        for pair in uses(fault):
            self.c.wan.heal(*pair)

    def clog(self, fault):
        self.c.wan.clog(*fault.what, fault.argument)

    unclog = uncut

    def worker(self, fault):
        """The HSM's, where one runs."""
        if self.c.is_alive(fault.what):
            pid = self.c.worker(fault.what)
            if pid is not None:
                cluster.kill_orphan(pid)

    def unworker(self, fault):
        pass

    def full(self, fault):
        if self.has_disk:
            fill(self.c.path(fault.what, 'store'))

    def unfull(self, fault):
        if self.has_disk:
            os.unlink(self.c.path(fault.what, 'store', 'filler'))


# ---------------------------------------------------------------- what the world sees

class Seen:
    """Of every serial its content, wherever it was seen, and the certificate."""

    def __init__(self, c):
        self.c, self.lock = c, threading.Lock()
        self.zones, self.digests, self.roots, self.transfers = {}, {}, {}, collections.Counter()
        self.certificates = {}  # in hex: as `cert show` gave it; sites may have counted other votes of one round
        self.newest_at, self.longest_s = time.monotonic(), 0.0

    def see(self, name, zone):
        with self.lock:
            known = self.zones.setdefault(zone.serial, zone)
            if known is zone and zone.serial == max(self.zones):
                self.longest_s = max(self.longest_s, time.monotonic() - self.newest_at)
                self.newest_at = time.monotonic()
            self.transfers[name] += 1
        assert known.content == zone.content, f'{name} serves serial {zone.serial} with another content than was seen before'
        assert name not in SITES or self.digests.setdefault(zone.serial, zone.digest) == zone.digest, \
            f'{name} serves serial {zone.serial} in another order than another site'

    def see_certificate(self, site):
        cert = self.c.cert(site)
        if cert is None:
            return
        with self.lock:
            root = self.roots.setdefault(cert['serial'], cert['full_root'])
            self.certificates.setdefault(cert['certificate'], cert)
        assert root == cert['full_root'], f'{site}: two certificates for serial {cert["serial"]}: {root}, {cert["full_root"]}'

    def verify(self):
        """Every certificate with its zone, as consign-verify does it; how many had one that somebody transferred."""
        seen = [cert for cert in self.certificates.values() if cert['serial'] in self.zones]
        for cert in seen:
            code, said = cluster.verify(self.c.path('cluster.yaml'), cert, self.zones[cert['serial']])
            assert code == 0, f'certificate of serial {cert["serial"]}: {said}'
        return len(seen)


class Watcher(Worker):
    """Of one server: transfers its zone again and again."""

    def __init__(self, seen, name, port, key):
        super().__init__(0.2)
        self.seen, self.name, self.port, self.key = seen, name, port, key
        self.served, self.marker, self.backward = 0, 0, 0

    def step(self):
        zone = self.seen.c.transfer(self.port, self.key)
        if zone is None:
            return
        assert zone.serial >= self.served or self.name not in SITES, \
            f'{self.name} went back from serial {self.served} to {zone.serial}'
        self.backward += zone.serial < self.served
        is_new, self.served = zone.serial != self.served, zone.serial
        self.seen.see(self.name, zone)
        self.marker = int(zone.texts('marker.xc.')[0][1:])
        if is_new and self.name in SITES:
            self.seen.see_certificate(self.name)


class Resolver(Worker):
    """Asks a validating resolver: secure answers only, of the right kind."""
    QUESTIONS = (('a.nic.xc', 'A', 'NOERROR'), ('d000.xc', 'DS', 'NOERROR'), ('nope.xc', 'A', 'NXDOMAIN'), ('www.nic.xc', 'A', 'NOERROR'),
                 ('d001.xc', 'DS', 'NOERROR'), ('marker.xc', 'TXT', 'NOERROR'), ('xc', 'DNSKEY', 'NOERROR'))

    def __init__(self, name, port):
        super().__init__(0.3)
        self.name, self.port, self.next, self.rcodes = name, port, 0, collections.Counter()

    def step(self):
        name, rtype, rcode = self.QUESTIONS[self.next % len(self.QUESTIONS)]
        self.next += 1
        got, flags, said = dig(self.port, name, rtype)
        self.rcodes[got or 'no answer'] += 1
        if got == 'SERVFAIL':
            errors = [int(word.split()[0]) for word in said.split('EDE: ')[1:]]
            assert errors and not set(errors) & set(BOGUS), f'{self.name}: bogus: {said}'
        elif got is not None:
            assert got == rcode and 'ad' in flags, f'{self.name}: not {rcode} or not secure: {said}'


class Editor(Worker):
    """The registry: a new version every second; a site may get it late."""

    def __init__(self, c, rng):
        super().__init__(0.1)
        self.c, self.rng, self.serial, self.due, self.next_at = c, rng, 1, [], 0.0
        self.written = {site: 1 for site in SITES}

    def zone(self):
        extra = ''.join(f'c{i if i < 8 else self.rng.randrange(8, 100000)} IN NS ns{self.rng.randrange(9)}.example.\n' for i in range(16))
        return small_zone(self.serial, f'v{self.serial}', extra=extra)

    def step(self):
        now = time.monotonic()
        if now >= self.next_at:
            self.next_at = now + 1.0
            self.serial += 1
            content = self.zone()
            self.due += [(now + (self.rng.uniform(0, 3) if self.rng.random() < 0.2 else 0), self.serial, site, content) for site in SITES]
        for item in sorted(item for item in self.due if item[0] <= now):
            self.write(item)

    def write(self, item):
        """A site that got a later one meanwhile keeps it."""
        self.due.remove(item)
        _, serial, site, content = item
        if serial > self.written[site]:
            self.written[site] = serial
            self.c.write_zone(content, [site])

    def finish(self):
        """The last version, everywhere."""
        self.stop()
        self.serial += 1
        self.c.write_zone(self.zone())


# ---------------------------------------------------------------- the test

class ChaosTest(unittest.TestCase):
    configure = test_secondaries.Secondaries.configure
    secret = test_secondaries.Secondaries.secret
    serial_at = test_secondaries.Secondaries.serial_at

    def start_nsd(self, c):
        masters = '\n'.join(f'  request-xfr: AXFR 127.0.0.1@{c.ports[site, "xfr"]} demo-key' for site in SITES)
        port = self.configure(c, 'nsd', test_secondaries.NSD_CONF, masters=masters)
        c.spawn(find_tool('nsd'), '-d', '-c', c.path('nsd', 'conf'), log=c.path('nsd', 'log'))
        return port

    def start_knot(self, c):
        masters = '\n'.join(f'  - id: {site}\n    address: 127.0.0.1@{c.ports[site, "xfr"]}\n    key: demo-key' for site in SITES)
        port = self.configure(c, 'knot', test_secondaries.KNOT_CONF, masters=masters, names=', '.join(SITES))
        c.spawn(find_tool('knotd'), '-c', c.path('knot', 'conf'), log=c.path('knot', 'log'))
        return port

    def start_unbound(self, c, name, upstream):
        port = self.configure(c, name, UNBOUND_CONF, upstream=upstream, anchor=c.ds())
        c.spawn(find_tool('unbound'), '-d', '-c', c.path(name, 'conf'), log=c.path(name, 'log'))
        wait_for(f'{name} answers', lambda: dig(port, 'xc.', 'SOA')[0] == 'NOERROR')
        return port

    @contextlib.contextmanager
    def small_disk(self, c):
        """Whether the disk of one site can be filled."""
        folder = c.path(DISK_SITE, 'store')
        os.makedirs(folder)
        has_disk = mount('-t', 'tmpfs', '-o', f'size={DISK_SIZE}', 'tmpfs', folder)
        if not has_disk:
            print('SKIP full disks: no tmpfs can be mounted here', flush=True)
        try:
            yield has_disk
        finally:
            for name in list(c.processes):
                c.kill(name)
            if has_disk:
                subprocess.run(['umount', folder], check=True)

    def start_servers(self, c):
        """Secondaries, told of releases by every site; all that is served once."""
        ports = {'nsd': self.start_nsd(c), 'knot': self.start_knot(c)}
        targets = ', '.join(f'{{to: 127.0.0.1@{port}, key: demo-key}}' for port in ports.values())
        for site in SITES:
            c.edit(site, lambda text: text.replace('log:\n', f'  notify: [{targets}]\nlog:\n'))
        c.start()
        c.wait_marker('v1')
        for name, port in ports.items():
            wait_for(f'{name} serves', lambda: self.serial_at(port))
        return ports

    def watch(self, c, seen, ports):
        watchers = [Watcher(seen, site, c.ports[site, 'xfr'], c.key) for site in SITES]
        watchers += [Watcher(seen, name, port, None) for name, port in ports.items()]
        return watchers + [Resolver(f'unbound-{name}', self.start_unbound(c, f'unbound-{name}', port)) for name, port in ports.items()]

    def test_faults_of_every_kind_leave_certified_zones_and_no_bogus_answer(self):
        for tool in ('nsd', 'knotd', 'unbound', 'dig'):
            find_tool(tool)
        seconds = float(os.environ.get('CONSIGN_CHAOS_S') or 60)
        seed = int(os.environ.get('CONSIGN_CHAOS_SEED') or random.randrange(1 << 32))
        print(f'seed {seed} (repeat with CONSIGN_CHAOS_SEED={seed} CONSIGN_CHAOS_S={seconds:.0f})', flush=True)
        with Cluster(small_zone(1, 'v1'), coordinators=3) as c, self.small_disk(c) as has_disk:
            c.wan = Wan(c)
            plan = draw_plan(seed, seconds, c.names)
            self.assertEqual(plan, draw_plan(seed, seconds, c.names))
            self.write_plan(c, plan)
            ports = self.start_servers(c)
            seen, chaos, editor = Seen(c), Chaos(c, has_disk), Editor(c, random.Random(seed))
            workers = self.watch(c, seen, ports) + [editor]

            def check():
                chaos.check_alive()
                for worker in workers:
                    worker.check()
            for worker in workers:
                worker.start()
            waits = []
            for number, wave in enumerate(plan):
                chaos.run(wave, check)
                waits.append(self.wait_next(number, editor, workers, check))
            calm = self.settle(c, editor, ports, check)
            for worker in workers:
                worker.stop()
            self.check_secondaries(c, ports)
            self.check_resolvers(c, ports)
            test_kill.Kill.check_votes(self, c)
            certified = self.check_roots(c, seen)
            self.check_certificates(c, seen, seed, certified, is_whole=seconds >= LONG_S)
            self.show(chaos, seen, workers, waits, calm, seed)

    def write_plan(self, c, plan):
        with open(c.path('plan'), 'w') as file:
            for number, wave in enumerate(plan):
                file.writelines(f'{number:3} {when:7.2f} {fault.seconds:6.2f} {fault.kind} {fault.what} {fault.argument or ""}\n'
                                for when, fault in wave)

    def wait_next(self, number, editor, workers, check):
        """Seconds until every site serves an input that came after the wave."""
        began, after = time.monotonic(), editor.serial
        sites = [worker for worker in workers if isinstance(worker, Watcher) and worker.name in SITES]

        def is_served():
            check()
            return all(worker.marker > after for worker in sites)
        wait_for(f'releases after wave {number}', is_served, CALM_S)
        return time.monotonic() - began

    def settle(self, c, editor, ports, check):
        """Nothing is broken any more: the last version is served everywhere. Seconds that took at the secondaries."""
        c.wan.heal()
        began = time.monotonic()
        editor.finish()

        def is_served(get):
            check()
            return get() == f'v{editor.serial}'

        def marker(port, key=None):
            zone = c.transfer(port, key)
            return zone and zone.texts('marker.xc.')[0]
        for site in SITES:
            wait_for(f'{site} serves v{editor.serial}', lambda: is_served(lambda: marker(c.ports[site, 'xfr'], c.key)), CALM_S)
        for name, port in ports.items():
            wait_for(f'{name} serves v{editor.serial}', lambda: is_served(lambda: marker(port)), CALM_S)
        return time.monotonic() - began

    def check_secondaries(self, c, ports):
        c.assert_same_everywhere()
        zone, cert = c.zone('zrh'), c.cert('zrh')
        for name, port in ports.items():
            other = c.transfer(port)
            self.assertEqual((other.serial, other.content), (zone.serial, zone.content), name)
            code, said = cluster.verify(c.path('cluster.yaml'), cert, other)
            self.assertEqual(code, 0, f'{name}: {said}')

    def check_resolvers(self, c, ports):
        for name in ports:
            with open(c.path(f'unbound-{name}', 'log'), errors='replace') as file:
                self.assertNotIn('validation failure', file.read())

    def check_roots(self, c, seen):
        """Certificates that any node ever saw, also those that were not looked at in time."""
        roots = collections.defaultdict(set)
        for site in SITES:
            for _, root, serial in test_kill.traces(c, site, 'certified', 'orphan'):
                roots[serial].add(root)
        for serial, of_serial in roots.items():
            self.assertEqual(len(of_serial), 1, f'two certificates for serial {serial}')
        self.assertLessEqual(set(seen.zones), set(roots), 'served without a certificate')
        return set(roots)

    def check_certificates(self, c, seen, seed, certified, is_whole):
        """Those of the run, the last ones of all sites among them: each is accepted, and refused with a bit flipped."""
        for site in SITES:
            seen.see_certificate(site)
        verified = seen.verify()
        serials = {cert['serial'] for cert in seen.certificates.values()}
        self.assertLessEqual(serials, certified)
        self.assertTrue(verified)
        print(f'{len(seen.certificates)} certificates of {len(serials)} of the {len(certified)} certified versions: {verified} verified with '
              f'their zones; {cluster.check_flips(c.path("cluster.yaml"), seen.certificates, seed, is_whole)}')

    def show(self, chaos, seen, workers, waits, calm, seed):
        print('faults: ' + ', '.join(f'{count} {kind}' for kind, count in sorted(chaos.done.items())))
        print(f'{len(seen.zones)} versions seen in {sum(seen.transfers.values())} transfers; {seen.longest_s:.1f} s at most without a new '
              f'version\nnext release at all sites after each of {len(waits)} waves: '
              f'{", ".join(f"{wait:.1f}" for wait in waits)} s; the last at all secondaries after {calm:.1f} s')
        for worker in workers:
            if isinstance(worker, Resolver):
                print(f'{worker.name}: {dict(worker.rcodes)}')
            elif isinstance(worker, Watcher) and worker.backward:
                print(f'{worker.name} went back to an older version {worker.backward} times')
        print(f'seed {seed}', flush=True)


if __name__ == '__main__':
    cluster.main()
