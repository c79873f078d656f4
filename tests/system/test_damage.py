"""Goal: whatever is wrong in a site's own store, it never votes on what it doubts, answers with the version it released last if that
is sure and whole, never with an older one, and says what is damaged and what to do; what peers have is fetched again.
Method: sin stopped, its store and second copy spoiled in one place, sin started alone; the same with the others at work. Tables."""
import os
import re
import shutil
import struct
import unittest

import cluster
from cluster import Cluster, assert_matches, small_zone, to_wire, wait_for

ORIGIN = 'xc.'
VOTES, ZONES, SECOND = 'store/votes', 'store/zones', 'second/last-hold'
RETURN = 'sin.*return as a new member'
FETCH = 'sin.*serial [0-9]+ was released here and is not here whole'

RECORDS = 'BTEFHCRO'  # letters of docs/PROTOCOL.md, 4


class Spoiler:
    """Ways to spoil files under a site's folder."""

    def __init__(self, folder, full_root):
        self.folder, self.full_root = folder, full_root

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def _change(self, name, find):
        """One bit of each octet at the places that find(octets) says."""
        with open(self.path(name), 'r+b') as file:
            octets = bytearray(file.read())
            places = list(find(bytes(octets)))
            assert places, f'{name}: nothing to change'
            for at in places:
                octets[at] ^= 4
            file.seek(0)
            file.write(octets)

    @staticmethod
    def _values(octets, head, key_size):
        """Places inside the values of LMDB's nodes whose keys begin so: size u32, flags u16, key size u16, key."""
        for found in re.finditer(re.escape(head), octets):
            if octets[found.start() - 4:found.start() - 2] == b'\0\0':
                yield found.start() + (key_size or struct.unpack('<H', octets[found.start() - 2:found.start()])[0]) + 20

    def record(self, letter):
        zone = b'' if letter in 'BTE' else to_wire(ORIGIN)
        self._change(VOTES + '/data.mdb', lambda octets: self._values(octets, b'r' + letter.encode() + zone, 0))

    def index(self):
        key = b'\2' + to_wire(ORIGIN) + self.full_root
        self._change(ZONES + '/data.mdb', lambda octets: self._values(octets, key, len(key)))

    def blob(self):
        """The certificate beside the version."""
        key = b'c' + to_wire(ORIGIN)
        self._change(ZONES + '/data.mdb', lambda octets: self._values(octets, key, len(key)))

    def handle(self):
        self._change(ZONES + '/data.mdb', lambda octets: [found.end() + 18 for found in re.finditer(b'\6\0handle', octets)])

    def rows(self):
        """Strings of TXT records, wherever they stand."""
        self._change(ZONES + '/data.mdb', lambda octets: [found.start() for found in re.finditer(b'the-marker', octets)])

    def batch(self, name, at):
        """Of the second copy: its first, the one that came with the file, or its last."""
        self._change(name, lambda octets: [8192 + 100 if at == 'first' else len(octets) - 1])

    def torn(self, name):
        """The beginning of a batch, as a power cut leaves it."""
        with open(self.path(name), 'ab') as file:
            file.write(bytes(7) + b'\1\0\0\1\0' + os.urandom(100))

    def cut(self, name):
        os.truncate(self.path(name), os.path.getsize(self.path(name)) // 2)

    def empty(self, name):
        os.truncate(self.path(name), 0)

    def zero(self, name):
        size = os.path.getsize(self.path(name))
        os.truncate(self.path(name), 0)
        os.truncate(self.path(name), size)

    def garbage(self, name):
        with open(self.path(name), 'r+b') as file:
            file.write(os.urandom(os.path.getsize(self.path(name))))

    def gone(self, name):
        path = self.path(name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def old(self, name):
        """As it was before the last release."""
        self.gone(name)
        copy = shutil.copytree if os.path.isdir(self.path('older', name)) else shutil.copy
        copy(self.path('older', name), self.path(name))


# What is spoiled; what sin does without a peer; what it says; what it does once it has peers again.
#   serves: the last release    silent: SERVFAIL    well: as if nothing had been
#   stays: votes no more and takes nothing over    adopts: votes no more, serves what the others release    heals: votes again
CASES = [(f'record {letter} of the votes', [('record', letter)], 'serves', RETURN, 'stays') for letter in RECORDS] + [
    ('votes cut', [('cut', VOTES + '/data.mdb')], 'serves', RETURN, 'stays'),
    ('votes zeroed', [('zero', VOTES + '/data.mdb')], 'serves', RETURN, 'stays'),
    ('votes empty', [('empty', VOTES + '/data.mdb')], 'serves', RETURN, 'stays'),
    ('votes garbage', [('garbage', VOTES + '/data.mdb')], 'serves', RETURN, 'stays'),
    ('data file of the votes gone', [('gone', VOTES + '/data.mdb')], 'serves', RETURN, 'stays'),
    ('folder of the votes gone', [('gone', VOTES)], 'serves', RETURN, 'adopts'),
    ('locks garbage', [('garbage', VOTES + '/lock.mdb'), ('garbage', ZONES + '/lock.mdb')], 'well', None, 'heals'),
    ('locks gone', [('gone', VOTES + '/lock.mdb'), ('gone', ZONES + '/lock.mdb')], 'well', None, 'heals'),
    ('first batch of the second copy', [('batch', SECOND, 'first')], 'serves', RETURN, 'adopts'),
    ('last batch of the second copy', [('batch', SECOND, 'last')], 'serves', RETURN, 'adopts'),
    ('second copy torn', [('torn', SECOND)], 'well', None, 'heals'),
    ('second copy put back', [('old', SECOND)], 'serves', RETURN, 'adopts'),
    ('votes put back', [('old', VOTES)], 'serves', RETURN, 'adopts'),
    ('votes put back, last batch of the second copy', [('old', VOTES), ('batch', SECOND, 'last')], 'silent', RETURN, 'adopts'),
    ('votes put back, second copy torn', [('old', VOTES), ('torn', SECOND)], 'silent', RETURN, 'adopts'),
    ('votes put back, second copy gone', [('old', VOTES), ('gone', SECOND)], 'serves', RETURN, 'adopts'),
    ('votes and second copy put back', [('old', VOTES), ('old', SECOND)], 'serves', None, 'adopts'),
    ('votes and zones put back', [('old', VOTES), ('old', ZONES)], 'silent', RETURN, 'adopts'),
    ('second copy empty', [('empty', SECOND)], 'serves', RETURN, 'adopts'),
    ('second copy gone', [('gone', SECOND)], 'serves', RETURN, 'adopts'),
    ('rows of the release', [('rows',)], 'silent', FETCH, 'heals'),
    ('index of the release', [('index',)], 'silent', FETCH, 'heals'),
    ('certificate beside the release', [('blob',)], 'well', None, 'heals'),
    ('last handle', [('handle',)], 'silent', FETCH, 'heals'),
    ('zones cut', [('cut', ZONES + '/data.mdb')], 'silent', FETCH, 'heals'),
    ('zones zeroed', [('zero', ZONES + '/data.mdb')], 'silent', FETCH, 'heals'),
    ('zones garbage', [('garbage', ZONES + '/data.mdb')], 'silent', FETCH, 'heals'),
    ('data file of zones gone', [('gone', ZONES + '/data.mdb')], 'silent', FETCH, 'heals'),
    ('folder of zones gone', [('gone', ZONES)], 'silent', FETCH, 'heals'),
    ('votes and second copy', [('cut', VOTES + '/data.mdb'), ('gone', SECOND)], 'serves', RETURN, 'stays'),
    ('votes and zones', [('cut', VOTES + '/data.mdb'), ('cut', ZONES + '/data.mdb')], 'silent', RETURN, 'stays'),
    ('votes, and the certificate', [('cut', VOTES + '/data.mdb'), ('blob',)], 'silent', RETURN, 'stays'),
    ('votes, and zones put back', [('cut', VOTES + '/data.mdb'), ('old', ZONES)], 'silent', RETURN, 'stays'),
]
WITH_PEERS = ('record F of the votes', 'folder of the votes gone', 'votes put back, last batch of the second copy', 'second copy torn',
              'index of the release', 'zones zeroed')


class Damage(unittest.TestCase):
    def make(self, c):
        """Two releases and an order; older copies of votes, zones and second copy are kept."""
        c.edit('policy.yaml', lambda text: text + 'refresh-interval: 600s\n')
        c.start()
        c.wait_marker('the-marker')
        for what in ('hold', 'resume'):
            done = c.ctl('sin', 'zone', what, ORIGIN, '--reason', 'a test', '--cluster', c.path('cluster.yaml'), '--key',
                         c.path('operator', 'duty.key'))
            self.assertEqual(done.returncode, 0, done.stderr)
        wait_for('resumed', lambda: not any(row['order'] == 'hold' for row in c.zone_status('sin')['orders']))
        c.stop('sin')
        for name in ('store', 'second'):
            shutil.copytree(c.path('sin', name), c.path('sin', 'older', name))
        c.stop('sjc')  # else the others may certify before sin has voted: it would have no hold
        c.start('sin')
        c.write_zone(small_zone(2, 'the-marker', extra='more IN NS a.nic\n'))
        for site in ('zrh', 'sin', 'sjc'):
            wait_for(f'the second release at {site}', lambda: (zone := c.zone(site)) and zone.has('more.xc.'))
            if site == 'sin':
                c.start('sjc')

    def keep(self, c):
        for name in ('store', 'second'):
            shutil.rmtree(c.path('sin', 'kept', name), ignore_errors=True)
            shutil.copytree(c.path('sin', name), c.path('sin', 'kept', name))

    def keep_running(self, c):
        """The same of a site at work, which is stopped for it."""
        self.served, self.full_root = c.zone('sin'), c.cert('sin')['full_root']
        c.stop('sin')
        self.keep(c)

    def spoil(self, c, what):
        for name in ('store', 'second'):
            shutil.rmtree(c.path('sin', name))
            shutil.copytree(c.path('sin', 'kept', name), c.path('sin', name))
        spoiler = Spoiler(c.path('sin'), bytes.fromhex(self.full_root))
        for name, *words in what:
            getattr(spoiler, name)(*words)

    def votes(self, c):
        return len(c.log_lines('sin', 'trace.held'))

    def check_alone(self, c, expect, says):
        wait_for('sin answers', lambda: c.status('sin') is not None)
        if expect == 'silent':
            self.assertEqual(c.ask('sin')[0].rcode, 2)
        else:
            wait_for('sin serves', lambda: c.zone('sin'))  # nothing older first
            self.assertEqual(c.zone('sin').digest, self.served.digest)
        self.assertEqual(c.health('sin')[0], 2)
        if says is not None:
            assert_matches(says, c.reasons('sin'), 'reasons of sin')

    def test_alone(self):
        with Cluster(small_zone(1, 'the-marker')) as c:
            self.make(c)
            self.keep_running(c)
            c.stop('zrh', 'sjc', cluster.COORDINATOR)
            for name, what, expect, says, _ in CASES:
                with self.subTest(name):
                    self.spoil(c, what)
                    open(c.path('sin', 'log'), 'w').close()
                    c.start('sin')
                    try:
                        self.check_alone(c, expect, says)
                        self.assertTrue(c.is_alive('sin'))
                        self.assertEqual(self.votes(c), 0)
                    finally:
                        c.stop('sin')

    def check_with_peers(self, c, serial, then):
        """The others release something newer meanwhile."""
        c.write_zone(small_zone(serial, f'the-marker{serial}'))
        c.wait_marker(f'the-marker{serial}', ('zrh', 'sjc') if then == 'stays' else c.sites)
        if then == 'stays':
            self.assertEqual(c.zone('sin').digest, self.served.digest)
        if then == 'heals':
            try:
                wait_for('sin is well', lambda: c.health('sin')[0] == 0)
            except cluster.Late as late:
                raise AssertionError(f'{late}; {c.health("sin")}\n{c.log("sin")[-6000:]}') from late
            c.assert_same_everywhere()
        else:
            self.assertEqual(self.votes(c), 0)
            assert_matches(RETURN, c.reasons('sin'), 'reasons of sin')
            self.assertEqual(c.health('sin')[0], 2)

    def check_votes(self, c, serial):
        """Its vote counts: without it there would be no quorum."""
        c.stop('sjc')
        c.write_zone(small_zone(serial, f'the-marker{serial}'))
        c.wait_marker(f'the-marker{serial}', ('zrh', 'sin'))
        c.start('sjc')
        c.wait_marker(f'the-marker{serial}', ['sjc'])

    def test_with_peers(self):
        with Cluster(small_zone(1, 'the-marker')) as c:
            self.make(c)
            serial = 2
            self.keep_running(c)
            for name, what, _, _, then in CASES:
                if name not in WITH_PEERS:
                    continue
                with self.subTest(name):
                    self.spoil(c, what)
                    open(c.path('sin', 'log'), 'w').close()
                    c.start('sin')
                    serial += 2
                    try:
                        self.check_with_peers(c, serial, then)
                        if then == 'heals':
                            self.check_votes(c, serial + 1)
                            self.keep_running(c)
                    finally:
                        if c.is_alive('sin'):
                            c.stop('sin')


if __name__ == '__main__':
    cluster.main()
