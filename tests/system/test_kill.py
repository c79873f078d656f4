"""Goal: kill -9 of any process at any point, under continuous input changes, never makes two contents of one serial, never serves
what no certificate covers, and the next round is released once the process is back.
Method: one cluster whose input changes every second; a watcher transfers the zone from every site and collects certificates all
the time; processes die one after the other at lines of their own trace (tests/support/killpoint.c), by nothing but SIGKILL.
Who dies, when and where is drawn from a seed that is printed; CONSIGN_KILL_SEED repeats it."""
import collections
import os
import random
import signal
import threading
import time
import unittest

import cluster
from cluster import COORDINATOR, ROOT, SITES, Cluster, support, wait_for

INPUT_EVERY_S = 1.0
LOOK_EVERY_S = 0.15
TIMES_EACH = 3
KILLS_MIN = 50
VERIFIED_MIN = 30

# Where a node dies: kind, lines of its log (patterns), and at which one at most. R4 and R5 of the protocol name the steps.
NODE_POINTS = (
    ('before any PERSIST', 'trace.persist ', 6),
    ('before the vote\'s PERSIST', 'round.verified ', 1),
    ('between the two copies of a vote', '*/last-hold', 1),
    ('after any PERSIST', 'trace.persisted ', 6),
    ('before SIGN', 'round.sign ', 1),
    ('after SIGN', 'round.signed ', 1),
    ('before HELD', 'trace.held ', 1),
    ('after HELD', 'trace held zone ', 1),
    ('before RELEASE', 'trace adopt zone * to releasing', 1),
    ('within RELEASE', 'trace adopt zone * to switching', 1),
    ('after RELEASE', 'round.released ', 1),
    ('any line', '', 60),
)
LEADER_POINTS = (
    ('coordinator, after a proposal', 'trace proposed ', 2),
    ('coordinator, after a certificate', 'trace certified ', 2),
)
START_POINTS = ('trace.persist ', 'trace.persisted ', 'node.start ', 'trace adopt zone * to [frs]*ing')
EXACT = {'before HELD', 'before RELEASE', 'before SIGN', 'before any PERSIST', 'before the vote\'s PERSIST',
         'between the two copies of a vote'}  # a line later would be another point


def demo_zone(serial, rng):
    """The demo's zone with this serial and twenty delegations more, some of which are others every time."""
    with open(os.path.join(ROOT, 'deploy', 'zones', 'demo.zone')) as file:
        text = file.read()
    old = next(line for line in text.splitlines() if '; serial' in line)
    text = text.replace(old, f'{serial} ; serial')
    lines = [f'marker 600 IN TXT "v{serial}"']
    for i in range(20):
        name = f'kill-{i if i < 10 else rng.randrange(10, 1000000)}'
        lines.append(f'{name} 86400 IN NS ns{rng.randrange(9)}.example.')
        lines.append(f'{name} 3600 IN DS {rng.randrange(1, 65536)} 13 2 {rng.randbytes(32).hex()}')
    return text + '\n'.join(lines) + '\n'


class Worker(threading.Thread):
    """Repeats a step until it is stopped; what the step raised is raised again in stop()."""

    def __init__(self, every_s):
        super().__init__(daemon=True)
        self.every_s, self.is_over, self.error = every_s, threading.Event(), None

    def run(self):
        try:
            while not self.is_over.wait(self.every_s):
                self.step()
        except BaseException as error:
            self.error = error

    def check(self):
        if self.error is not None:
            raise self.error

    def stop(self):
        self.is_over.set()
        self.join()
        self.check()


class Editor(Worker):
    """The registry: a new version of the zone file at all sites, again and again."""

    def __init__(self, c, serial, rng):
        super().__init__(INPUT_EVERY_S)
        self.c, self.serial, self.rng = c, serial, rng

    def step(self):
        self.serial += 1
        self.c.write_zone(demo_zone(self.serial, self.rng))


class Watcher(Worker):
    """Sees what the world sees. `newest`: the highest serial that any site ever served."""

    def __init__(self, c):
        super().__init__(LOOK_EVERY_S)
        self.c, self.newest, self.compared = c, 0, 0
        self.served = {site: 0 for site in SITES}
        self.digests, self.roots, self.verified, self.certificates, self.held_back = {}, {}, set(), set(), 0

    def step(self):
        for site in SITES:
            zone = self.c.zone(site)
            if zone is None:
                self.held_back += 1
                continue
            self.see_zone(site, zone)
            if zone.serial not in self.verified:
                self.see_certificate(site, zone)

    def see_zone(self, site, zone):
        assert zone.serial >= self.served[site], f'{site} went back from serial {self.served[site]} to {zone.serial}'
        digest = self.digests.setdefault(zone.serial, zone.digest)
        assert digest == zone.digest, f'{site} serves serial {zone.serial} with other bytes than were seen before'
        self.served[site] = zone.serial
        self.newest = max(self.newest, zone.serial)
        self.compared += 1

    def see_certificate(self, site, zone):
        cert = self.c.cert(site)
        if cert is None:
            return
        root = self.roots.setdefault(cert['serial'], cert['full_root'])
        assert root == cert['full_root'], f'{site}: two certificates for serial {zone.serial}: {root}, {cert["full_root"]}'
        assert len(cert['signers']) >= 2, cert
        if cert['serial'] == zone.serial:
            code, said = cluster.verify(self.c.path('cluster.yaml'), cert, zone)
            assert code == 0, f'{site} serves serial {zone.serial} that its certificate does not cover: {said}'
            self.verified.add(zone.serial)
            self.certificates.add(cert['certificate'])


def traces(c, site, *kinds):
    """(round, first octets of the full root, serial or None) of the trace records of these kinds in a site's log."""
    for line in c.log_lines(site, ' trace '):
        words = line.split()
        if words[4] == 'trace' and words[5] in kinds:
            values = dict(zip(words[6::2], words[7::2]))
            yield values['round'], values['root'], int(values['serial']) if 'serial' in values else None


class Killer:
    """Draws, kills, starts again, and waits until the next round is released there."""

    def __init__(self, c, watcher, editor, rng):
        self.c, self.watcher, self.editor, self.rng = c, watcher, editor, rng
        self.killed, self.waits = collections.Counter(), []

    def arm(self, name, pattern, count_max=1, when='at'):
        with open(self.c.path(name, 'killpoint.new'), 'w') as file:
            file.write(f'{self.rng.randint(1, count_max)} {when} {pattern}\n')
        os.rename(self.c.path(name, 'killpoint.new'), self.c.path(name, 'killpoint'))

    def wait_dead(self, name, kind):
        status = self.c.exit_status(name)
        assert status == -signal.SIGKILL, f'{name} ended by itself ({status}): {kind}'
        os.unlink(self.c.path(name, 'killpoint'))
        self.killed[kind] += 1

    def kill_now(self, name, kind):
        self.c.kill(name)
        self.killed[kind] += 1

    def pause(self):
        """A time of a round, so that the next kill falls anywhere in one."""
        time.sleep(self.rng.uniform(0, 1.5))

    def start(self, *names):
        self.c.start(*names)
        self.wait_next(*names)

    def wait_next(self, *names):
        """Serves something newer than anything that was served before it came back; every site does where the leader died."""
        sites = SITES if COORDINATOR in names else names
        newest, begin = self.watcher.newest, time.monotonic()

        def is_released():
            self.watcher.check()
            self.editor.check()
            return all(self.watcher.served[site] > newest for site in sites)
        wait_for(f'the next round at {", ".join(sites)} after serial {newest}', is_released, pause=0.05)
        self.waits.append(time.monotonic() - begin)

    # ---- ways to die

    def at_point(self, name, kind, pattern, count_max):
        self.arm(name, pattern, count_max, 'at' if kind in EXACT else self.rng.choice(('at', 'after')))
        self.wait_dead(name, kind)
        self.start(name)

    def at_start(self, name):
        """Once anywhere, and once more while it recovers from that."""
        self.pause()
        self.kill_now(name, 'any time')
        self.arm(name, self.rng.choice(START_POINTS))
        self.c.start(name)
        self.wait_dead(name, 'while it starts')
        self.start(name)

    def at_any_time(self, name, kind):
        self.pause()
        self.kill_now(name, kind)
        self.start(name)

    def two_sites(self, first, second, point):
        """Rounds wait, and go on when they are back."""
        self.arm(first, point[1], point[2])
        self.wait_dead(first, 'two sites at once')
        self.kill_now(second, 'two sites at once')
        self.start(first, second)

    def hsm_worker(self, site):
        """The node wants signatures from one that has just died, and starts another. An author that failed so is left out for a
        minute, unless it starts again."""
        old = wait_for(f'worker of {site}', lambda: self.c.worker(site))
        self.arm(site, 'round.sign ', when='children')
        wait_for(f'another worker at {site}', lambda: self.c.worker(site) not in (None, old))
        os.unlink(self.c.path(site, 'killpoint'))
        self.killed['HSM worker'] += 1
        self.wait_next(site)
        self.at_any_time(site, 'any time')

    def draw(self):
        """Every kind TIMES_EACH times, at drawn sites, in drawn order."""
        deaths, site = [], lambda: self.rng.choice(SITES)
        for _ in range(TIMES_EACH):
            deaths += [(self.at_point, site(), *point) for point in NODE_POINTS]
            deaths += [(self.at_point, COORDINATOR, *point) for point in LEADER_POINTS]
            deaths.append((self.at_start, site()))
            deaths.append((self.at_any_time, COORDINATOR, 'coordinator, any time'))
            deaths.append((self.hsm_worker, site()))
            deaths.append((self.two_sites, *self.rng.sample(SITES, 2), self.rng.choice(NODE_POINTS)))
        self.rng.shuffle(deaths)
        return deaths


class Kill(unittest.TestCase):
    def test_kills_at_every_point_leave_one_content_for_one_serial(self):
        seed = int(os.environ.get('CONSIGN_KILL_SEED') or random.randrange(1 << 32))
        print(f'seed {seed} (repeat with CONSIGN_KILL_SEED={seed})', flush=True)
        rng, began = random.Random(seed), time.monotonic()
        with Cluster(demo_zone(1, random.Random(seed))) as c:
            for name in SITES + (COORDINATOR,):
                c.environments[name] = {'LD_PRELOAD': support('killpoint.so'), 'KILLPOINT_FILE': c.path(name, 'killpoint')}
            c.start()
            c.wait_marker('v1')
            watcher, editor = Watcher(c), Editor(c, 1, random.Random(seed))
            killer = Killer(c, watcher, editor, rng)
            watcher.start()
            editor.start()
            for death, *arguments in killer.draw():
                death(*arguments)
            editor.stop()
            watcher.stop()
            self.settle(c, watcher, editor)
            self.show(killer, watcher, seed, time.monotonic() - began)
            self.check_certificates(c, watcher)
            print(cluster.check_flips(c.path('cluster.yaml'), watcher.certificates, seed))
            self.check_votes(c)
            self.check_counts(killer, watcher)

    def settle(self, c, watcher, editor):
        """With all back and the input at rest, its last version is served everywhere."""
        c.wait_marker(f'v{editor.serial}')
        c.assert_same_everywhere()
        watcher.step()

    def check_certificates(self, c, watcher):
        """Every certificate that any node ever saw, also of rounds that nobody looked at in time."""
        roots = collections.defaultdict(set)
        for site in SITES:
            for _, root, serial in traces(c, site, 'certified', 'orphan'):
                roots[serial].add(root)
        for serial, of_serial in roots.items():
            self.assertEqual(len(of_serial), 1, f'two certificates for serial {serial}')
        for serial, root in watcher.roots.items():
            self.assertEqual({root[:16]}, roots[serial], f'the certificate of serial {serial}')
        self.assertLessEqual(set(watcher.digests), set(roots), 'served without a certificate')

    def check_votes(self, c):
        for site in SITES:
            votes = {}
            for number, root, _ in traces(c, site, 'voted', 'held'):
                self.assertEqual(votes.setdefault(number, root), root, f'{site} votes for two bodies in round {number}')
            self.assertTrue(votes)

    def show(self, killer, watcher, seed, seconds):
        for kind, count in sorted(killer.killed.items()):
            print(f'{count:4} {kind}')
        total, waits = sum(killer.killed.values()), sorted(killer.waits)
        print(f'{total:4} kills in {seconds:.0f} s; next release after {waits[len(waits) // 2]:.1f} s (median), {waits[-1]:.1f} s '
              f'(longest)\n{len(watcher.digests)} versions seen in {watcher.compared} transfers, {len(watcher.verified)} checked with '
              f'consign-verify; {watcher.held_back} transfers not given; seed {seed}', flush=True)

    def check_counts(self, killer, watcher):
        kinds = {point[0] for point in NODE_POINTS + LEADER_POINTS} | {'while it starts', 'any time', 'coordinator, any time',
                                                                      'HSM worker', 'two sites at once'}
        self.assertEqual(set(killer.killed), kinds)
        self.assertGreaterEqual(min(killer.killed.values()), TIMES_EACH)
        self.assertGreaterEqual(sum(killer.killed.values()), KILLS_MIN)
        self.assertGreaterEqual(len(watcher.verified), VERIFIED_MIN)


if __name__ == '__main__':
    cluster.main()
