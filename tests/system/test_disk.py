"""Goal: a disk that takes no writes darkens no site and lets none spin: it serves what it has released, says why, and comes back
by itself; and what rots under a running node is noticed, never built on, and fetched again.
Method: a small file system (tmpfs) under one folder of one site, filled, mounted read-only, and given back; a limit on file
sizes where nothing can be mounted; octets changed in the file of a running store."""
import contextlib
import os
import resource
import signal
import subprocess
import unittest

import cluster
from cluster import SITES, TXT, Cluster, assert_matches, small_zone, support, to_wire, wait_for
from test_membership import Changing

KIB = 1024
STARTS_MAX = 8  # of a site during one test: a process that spins would begin hundreds of times


def mount(*words):
    return subprocess.run(['mount', *words], capture_output=True).returncode == 0


@contextlib.contextmanager
def small_disk(c, folder, size):
    """A file system of its own under a folder of sin."""
    os.makedirs(folder, exist_ok=True)
    if not mount('-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', folder):
        raise unittest.SkipTest('no tmpfs can be mounted here')
    try:
        yield
    finally:
        for name in list(c.processes):
            c.kill(name)
        subprocess.run(['umount', folder], check=True)


def fill(folder):
    """Until nothing more goes in; what to remove afterwards."""
    path = os.path.join(folder, 'filler')
    with open(path, 'wb', buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4 * KIB)):
            pass
    return path


class FullDisk(unittest.TestCase):
    def readonly_row(self, c):
        row = c.site_status('sin', 'sin')
        return row and row['state'] == 'read-only' and row

    def write_until_readonly(self, c):
        for serial in range(2, 60):
            c.write_zone(small_zone(serial, f'v{serial}', names=400))
            c.wait_marker(f'v{serial}', ('zrh', 'sjc'))
            if c.log_lines('sin', 'store.readonly'):
                return
        self.fail('sin never finds its disk full')

    def test_a_full_disk_in_a_later_epoch_asks_for_no_new_key(self):
        """The seal that began the epoch has its second copy, which a read-only site does not read: that is no lost vote."""
        with Changing(small_zone(1, 'v1')) as c, small_disk(c, c.path('sin', 'store'), '24M'):
            c.start()
            c.wait_marker('v1')
            document = c.document.next(tail=lambda text: text.replace('name: duty', 'name: night'))
            c.propose('zrh', document)
            c.wait_epoch(document, SITES)
            c.stop('sin')
            filler = fill(c.path('sin', 'store'))
            c.start('sin')
            row = wait_for('sin is read-only', lambda: self.readonly_row(c))
            assert_matches('no space left', row['error'], 'error of sin')
            self.assertNotIn('new key', c.ctl('sin', 'status').stdout + c.log('sin'))
            os.remove(filler)
            wait_for('sin votes again', lambda: (row := c.site_status('sin', 'sin')) and row['state'] == 'ok')

    def check_readonly(self, c, pid, pattern):
        """It is the same process, says why, and serves what a quorum certified while the others go on."""
        row = wait_for('sin is read-only', lambda: self.readonly_row(c))
        assert_matches(pattern, row['error'], 'error of sin')
        assert_matches('begins again by itself', row['error'], 'error of sin')
        self.assertEqual(c.health('sin')[0], 2)
        assert_matches(pattern, c.reasons('sin'), 'reasons of sin')
        self.assertIn('sin follows no coordinator and hears nobody: it is read-only', c.reasons('sin'))
        self.assertNotRegex(c.reasons('sin'), 'no quorum|no coordinator leads|zrh: ')
        self.assertTrue(c.is_alive('sin'))
        self.assertEqual(c.processes['sin'].pid, pid)
        served = wait_for('sin serves', lambda: c.zone('sin'))
        self.assertEqual(c.verify('sin')[0], 0)
        c.write_zone(small_zone(900, 'on', names=400))
        c.wait_marker('on', ('zrh', 'sjc'))
        wait_for('the others miss sin', lambda: 'sin' in c.reasons('zrh') and c.health('zrh')[0] == 1)
        self.assertEqual(c.zone('sin').digest, served.digest)
        self.assertNotIn('sin', [signer['name'] for signer in c.cert('zrh')['signers']])

    def check_back(self, c):
        """Nobody starts it: it catches up, and votes where its vote is needed."""
        c.wait_marker('on', ['sin'])
        c.assert_same_everywhere()
        wait_for('sin is well', lambda: c.health('sin')[0] == 0)
        self.check_votes(c)
        self.assertLessEqual(len(c.log_lines('sin', 'node.start')), STARTS_MAX)

    def check_votes(self, c):
        c.stop('sjc')
        c.write_zone(small_zone(901, 'voted', names=400))
        c.wait_marker('voted', ('zrh', 'sin'))
        self.assertEqual({signer['name'] for signer in c.cert('zrh')['signers']}, {'zrh', 'sin'})

    def test_a_full_store_is_served_and_space_brings_its_site_back(self):
        with Cluster(small_zone(1, 'one', names=400)) as c, small_disk(c, c.path('sin', 'store'), '8m'):
            c.start()
            c.wait_marker('one')
            pid = c.processes['sin'].pid
            filler = fill(c.path('sin', 'store'))
            self.write_until_readonly(c)
            self.check_readonly(c, pid, 'no space left in .*/store/')
            os.unlink(filler)
            self.check_back(c)

    def test_a_full_disk_of_the_second_copy_alone_does_the_same(self):
        with Cluster(small_zone(1, 'one', names=400)) as c, small_disk(c, c.path('sin', 'second'), '256k'):
            c.start()
            c.wait_marker('one')
            pid = c.processes['sin'].pid
            filler = fill(c.path('sin', 'second'))
            self.write_until_readonly(c)
            self.check_readonly(c, pid, 'no space left in .*/second')
            os.unlink(filler)
            self.check_back(c)

    def test_a_limit_of_file_sizes_does_the_same(self):
        limit = (600 * KIB, resource.RLIM_INFINITY)
        with Cluster(small_zone(1, 'one', names=400), log_level='info') as c:
            c.before['sin'] = lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            c.start()
            c.wait_marker('one')
            pid = c.processes['sin'].pid
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
            self.write_until_readonly(c)
            self.check_readonly(c, pid, 'File too large')
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            self.check_back(c)

    def test_a_reached_size_limit_is_said_and_spins_no_process(self):
        """The folders take every probe, and the store takes no version: only the wait that is handed on keeps it serving."""
        with Cluster(small_zone(1, 'one', names=400)) as c:
            c.edit('sin', lambda text: text + 'zones-size: 1MiB\n')
            c.start()
            c.wait_marker('one', ('zrh', 'sjc'))
            self.write_until_readonly(c)
            assert_matches('zones-size', '\n'.join(c.log_lines('sin', 'store.readonly')), 'log of sin')
            wait_for('sin serves', lambda: c.zone('sin'))
            wait_for('sin says so', lambda: c.health('sin')[0] == 2)
            self.assertLessEqual(len(c.log_lines('sin', 'node.start')), STARTS_MAX)
            c.stop('sin')
            c.edit('sin', lambda text: text.replace('1MiB', '64MiB'))
            c.start('sin')
            c.wait_current('sin', 'zrh')
            self.check_votes(c)

    def test_a_site_starts_on_a_read_only_disk_without_even_a_control_socket(self):
        with Cluster(small_zone(1, 'one', names=400)) as c, small_disk(c, c.path('sin', 'store'), '64m'):
            c.edit('sin', lambda text: text.replace('control: control.sock', 'control: store/control.sock'))
            c.start()
            c.wait_marker('one')
            first = c.wait_released()
            c.stop('sin')
            self.assertTrue(mount('-o', 'remount,ro', c.path('sin', 'store')))
            c.start('sin')
            wait_for('sin serves', lambda: c.serial('sin') == first)
            assert_matches('read-only file system', '\n'.join(c.log_lines('sin', 'store.readonly')), 'log of sin')
            self.assertTrue(c.log_lines('sin', 'control.failed'))
            c.write_zone(small_zone(900, 'on', names=400))
            c.wait_marker('on', ('zrh', 'sjc'))
            self.assertEqual(c.serial('sin'), first)
            self.assertTrue(mount('-o', 'remount,rw', c.path('sin', 'store')))
            c.wait_marker('on', ['sin'])
            self.check_votes(c)

    def test_a_site_that_never_stored_anything_ends_on_a_full_disk(self):
        with Cluster(small_zone(1, 'one', names=400)) as c, small_disk(c, c.path('sin', 'store'), '64k'):
            fill(c.path('sin', 'store'))
            c.start()
            self.assertEqual(c.exit_status('sin'), 1)
            assert_matches('no space left', c.log('sin'), 'log of sin')
            c.wait_marker('one', ('zrh', 'sjc'))


class Rot(unittest.TestCase):
    MARKER = 'a-marker-that-stands-in-no-other-record'

    def signature(self, c):
        """Of the marker's TXT, as sin serves it."""
        for owner, rtype, _, _, rdata in c.zone('sin').records:
            if owner == to_wire('marker.xc.') and rtype == cluster.RRSIG and int.from_bytes(rdata[:2], 'big') == TXT:
                return rdata[-64:]
        self.fail('the marker is not signed')

    def change(self, c, find):
        """One octet in the file of the running store, wherever find(octets) says."""
        path = c.path('sin', 'store', 'zones', 'data.mdb')
        with open(path, 'r+b', buffering=0) as file:
            octets = file.read()
            places = find(octets)
            self.assertTrue(places, 'nothing to change')
            for at in places:
                os.pwrite(file.fileno(), bytes([octets[at] ^ 1]), at)

    @staticmethod
    def all_places(octets, wanted):
        at, places = octets.find(wanted), []
        while at >= 0:
            places.append(at)
            at = octets.find(wanted, at + 1)
        return places

    def check_mended(self, c, pid, starts):
        """It began again by itself, deleted the version and got it from a peer."""
        wait_for('sin begins again', lambda: len(c.log_lines('sin', 'node.start')) > starts)
        self.assertTrue(c.log_lines('sin', 'store.failed'))
        self.assertTrue(c.log_lines('sin', 'store.damaged'))
        self.assertEqual(c.processes['sin'].pid, pid)

        def is_whole():
            mine, theirs = c.zone('sin'), c.zone('zrh')
            self.assertTrue(mine is None or mine.serial != theirs.serial or mine.digest == theirs.digest, 'sin serves what rotted')
            return mine and mine.serial == theirs.serial
        wait_for('sin serves the certified version', is_whole)
        c.assert_same_everywhere()
        wait_for('sin is well', lambda: c.health('sin')[0] == 0)
        self.assertLessEqual(len(c.log_lines('sin', 'node.start')), starts + 2)

    @staticmethod
    def set_clock(c, seconds):
        """Of sin, off by so much, when it was started with clockshift."""
        with open(c.path('sin', 'clock'), 'w') as file:
            file.write(str(seconds))

    def rot(self, c, signature):
        """What sin serves: the marker's text beside its signature; the input has one without."""
        def in_the_version(octets):
            signed = self.all_places(octets, signature)
            return [at for at in self.all_places(octets, self.MARKER.encode()) if any(abs(at - other) < 400 for other in signed)]
        self.change(c, in_the_version)

    def test_what_rots_while_it_is_served_is_noticed_and_fetched_again(self):
        with Cluster(small_zone(1, self.MARKER)) as c:
            c.edit('policy.yaml', lambda text: text + 'refresh-interval: 5s\n')
            c.start()
            c.wait_marker(self.MARKER)
            pid, starts = c.processes['sin'].pid, len(c.log_lines('sin', 'node.start'))
            self.rot(c, self.signature(c))
            self.check_mended(c, pid, starts)

    def test_rot_is_noticed_with_a_clock_set_back(self):
        with Cluster(small_zone(1, self.MARKER)) as c:
            c.edit('policy.yaml', lambda text: text + 'refresh-interval: 5s\n')
            c.environments['sin'] = {'LD_PRELOAD': support('clockshift.so'), 'CLOCKSHIFT_FILE': c.path('sin', 'clock')}
            c.start()
            c.wait_marker(self.MARKER)
            pid, starts, signature = c.processes['sin'].pid, len(c.log_lines('sin', 'node.start')), self.signature(c)
            self.set_clock(c, -365 * 86400)
            wait_for('sin begins again for its clock', lambda: len(c.log_lines('sin', 'node.start')) > starts)
            starts += 1
            wait_for('sin takes our TSIG for one of next year', lambda: c.status('sin') and c.zone('sin') is None)
            self.rot(c, signature)
            wait_for('sin begins again', lambda: len(c.log_lines('sin', 'node.start')) > starts)
            self.set_clock(c, 0)
            self.check_mended(c, pid, starts)

    def test_a_parent_that_rotted_is_not_built_on(self):
        with Cluster(small_zone(1, self.MARKER)) as c:
            c.start()
            c.wait_marker(self.MARKER)
            pid, starts, signature = c.processes['sin'].pid, len(c.log_lines('sin', 'node.start')), self.signature(c)
            self.change(c, lambda octets: [at + 40 for at in self.all_places(octets, signature)])
            c.write_zone(small_zone(2, self.MARKER, extra='more IN NS a.nic\n'))
            wait_for('the others release', lambda: all(c.zone(site).has('more.xc.') for site in ('zrh', 'sjc')))
            self.check_mended(c, pid, starts)
            self.assertTrue(c.zone('sin').has('more.xc.'))


if __name__ == '__main__':
    cluster.main()
