"""Goal: nothing bad that a site is given gets further than that site, the last release stays served, and operators read what is
wrong and where.
Method: each bad zone file of the list through a running cluster, each followed by nothing but the status; a damaged store at one
site while the others go on (a full disk, and what rots while a node runs: test_disk)."""
import os
import unittest

import cluster
from cluster import SITES, Cluster, assert_matches, small_zone, wait_for


def with_lines(serial, *lines):
    return small_zone(serial, 'bad', extra='\n'.join(lines) + '\n')


LONG_LABEL = 'a' * 63
# What is wrong, the file, whether a line is named, and what the reason must say.
BAD_ZONES = (
    ('syntax error', with_lines(2, 'www2 IN A 192.0.2.999'), True, 'syntax|address|parse'),
    ('unknown type', with_lines(2, 'www2 IN NOSUCHTYPE x'), True, 'NOSUCHTYPE'),
    ('second SOA', with_lines(2, '@ IN SOA a.nic hostmaster.nic 3 7200 900 604800 3600'), True, 'SOA'),
    ('record out of the zone', with_lines(2, 'www.example. IN A 192.0.2.7'), True, 'out|zone'),
    ('name over 255 octets', with_lines(2, '.'.join([LONG_LABEL] * 4) + ' IN A 192.0.2.7'), True, '255|long|length|large|overflow'),
    ('label over 63 octets', with_lines(2, 'a' * 64 + ' IN A 192.0.2.7'), True, '63|long|length|large|overflow'),
    ('CNAME beside other data', with_lines(2, 'www.nic IN A 192.0.2.7', 'www.nic IN CNAME a.nic'), True, 'CNAME'),
    ('$INCLUDE', with_lines(2, '$INCLUDE other.zone'), True, 'INCLUDE'),
    ('cut inside a line', small_zone(2, 'bad')[:-9], True, 'cut'),
    ('cut at a line end', small_zone(2, 'bad', names=18), False, 'shrink'),
    ('empty file', '', True, 'empty'),
    ('no SOA', '$ORIGIN xc.\n@ 3600 IN NS a.nic\na.nic 3600 IN A 192.0.2.1\n', False, 'SOA'),
    ('serial that goes back', small_zone(0, 'bad'), False, 'serial-back'),
    ('same serial, other content', small_zone(1, 'bad'), False, 'serial-same'),
    ('other apex NS', small_zone(2, 'bad', apex_ns=('a.nic', 'c.nic')), False, 'apex-ns'),
    ('expire too long for the refresh', small_zone(2, 'bad', expire=10 * 86400), False, 'SOA EXPIRE'),
)


class BadInput(unittest.TestCase):
    def park(self, c, what, zone, names_line, pattern, last):
        """Parked at all sites with the file, the line and the reason, other than the one before."""
        c.write_zone(zone)
        for site in SITES:
            reason = wait_for(f'{what}: parked at {site}', lambda: (r := c.parked(site)) and r != last.get(site) and r)
            last[site] = reason
            assert_matches(pattern, reason[0], f'{what} at {site}')
            if names_line:
                assert_matches(r'zone:\d+: |, line \d+', reason[0], f'{what} at {site}: file and line')
                self.assertIn(c.path(site, 'in', 'zone') if 'in/zone' not in reason[0] else 'in/zone', reason[0])

    def test_gates_know_the_serial_of_a_release_whose_data_did_not_change(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            first, last = c.wait_released(), {}
            c.write_zone(small_zone(3, 'one'))
            wait_for('the same data under a new serial', lambda: c.wait_released() != first)
            self.park(c, 'same serial, other content', small_zone(3, 'bad'), False, 'serial-same', last)
            self.park(c, 'serial that goes back', small_zone(2, 'bad'), False, 'serial-back', last)

    def test_bad_zone_files_are_parked_with_their_reason_and_the_release_stays(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            serial, last = c.wait_released(), {}
            for what, zone, names_line, pattern in BAD_ZONES:
                with self.subTest(what):
                    self.park(c, what, zone, names_line, pattern, last)
                    self.assertEqual({c.serial(site) for site in SITES}, {serial})
            self.assertEqual(c.health('zrh')[0], 1)
            self.assertIn('parked', c.reasons('zrh'))
            self.assertEqual({c.marker(site) for site in SITES}, {'one'})
            c.write_zone(small_zone(2, 'two'))
            c.wait_marker('two')
            wait_for('nothing is parked', lambda: not any(c.parked(site) for site in SITES))
            wait_for('health 0', lambda: all(c.health(site)[0] == 0 for site in SITES))

    def test_a_file_in_several_writes_is_taken_when_it_stands_still(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            text = small_zone(2, 'two').encode()
            for site in SITES:
                with open(c.inputs[site], 'wb', buffering=0) as file:
                    file.write(text[:len(text) // 2])
                    file.write(text[len(text) // 2:])
            c.wait_marker('two')
            self.assertFalse(any(c.log_lines(site, 'input.parked') for site in SITES))

    def test_a_missing_zone_file_is_waited_for(self):
        with Cluster(small_zone(1, 'one')) as c:
            os.unlink(c.inputs['sin'])
            c.start()
            c.wait_marker('one')
            c.assert_same_everywhere()
            c.write_zone(small_zone(2, 'two'))
            c.wait_marker('two')

    # ---- a damaged store

    def damage(self, c, path, change, pattern):
        """The store of sin is changed while it is stopped: it says so, serves nothing uncertified, and the others go on."""
        c.stop('sin')
        change(c.path('sin', 'store', *path))
        c.start('sin')
        process = c.processes['sin']
        c.write_zone(small_zone(1000, 'two'))
        c.wait_marker('two', ('zrh', 'sjc'))

        def said():
            self.assertNotIn(c.marker('sin'), ('bad', ''))
            if not process.is_alive():
                return c.log('sin')
            status = c.site_status('sin', 'sin')
            return status and (status['error'] or status['state'] == 'halted') and c.log('sin') + (status['error'] or '')
        assert_matches(pattern, wait_for('sin says that its store is damaged', said), 'log of sin')
        signers = c.cert('zrh')['signers']
        self.assertNotIn('sin', [signer['name'] for signer in signers])

    def overwrite(self, path):
        size = os.path.getsize(path)
        with open(path, 'r+b') as file:
            for at in range(2 * 4096, size, 4096):
                file.seek(at + 2048)
                file.write(b'\xa5' * 2048)

    def cluster_with_release(self):
        c = Cluster(small_zone(1, 'one'))
        c.start()
        return c

    def test_damaged_votes_stop_the_site(self):
        with self.cluster_with_release() as c:
            c.wait_marker('one')
            self.damage(c, ('votes', 'data.mdb'), self.overwrite, 'damaged')

    def test_damaged_zones_are_said_and_fetched_again(self):
        with self.cluster_with_release() as c:
            c.wait_marker('one')
            c.stop('sin')
            self.overwrite(c.path('sin', 'store', 'zones', 'data.mdb'))
            c.start('sin')
            wait_for('sin serves again', lambda: c.marker('sin') == 'one')
            assert_matches('store.damaged .*fetched from the other sites', c.log('sin'), 'log of sin')
            c.write_zone(small_zone(2, 'two'))
            c.wait_marker('two')
            c.assert_same_everywhere()
            wait_for('sin is well', lambda: c.health('sin')[0] == 0)

    def test_lost_votes_stop_the_site(self):
        with self.cluster_with_release() as c:
            c.wait_marker('one')
            self.damage(c, ('votes', 'data.mdb'), os.unlink, 'damaged|lost|gone|missing')

    def test_lost_store_halts_the_site_which_must_return_as_a_new_member(self):
        with self.cluster_with_release() as c:
            c.wait_marker('one')
            self.make_vote(c, 'sin')
            self.damage(c, (), cluster.shutil.rmtree, 'new member')

    def test_lost_store_and_second_copy_halt_the_site_for_its_votes_are_forgotten(self):
        def lose(path):
            cluster.shutil.rmtree(path)
            os.unlink(c.path('sin', 'second', 'last-hold'))
        with self.cluster_with_release() as c:
            c.wait_marker('one')
            self.make_vote(c, 'sin')
            self.damage(c, (), lose, 'new member')

    def make_vote(self, c, site):
        """Certificates carry the votes that came first, and not the same at each site: repeats rounds until this site's vote is
        in all that the others can show it."""
        for serial in range(100, 300):
            certs = [c.cert(other) for other in SITES if other != site]
            if all(site in [signer['name'] for signer in cert['signers']] for cert in certs):
                return
            c.write_zone(small_zone(serial, f'v{serial}'))
            c.wait_marker(f'v{serial}')
        self.fail(f'{site} never votes in time')


if __name__ == '__main__':
    cluster.main()
