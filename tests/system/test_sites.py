"""Goal: two of three sites release; one does not, but goes on serving; who was away catches up. What operators see of it.
Method: one cluster, its sites stopped and started, its status and health read at each stage."""
import time
import unittest

import cluster
from cluster import COORDINATOR, SITES, Cluster, small_zone, wait_for


class Sites(unittest.TestCase):
    def test_status_of_a_healthy_cluster_names_every_site_and_zone(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            wait_for('health 0 at every site', lambda: all(c.health(site)[0] == 0 for site in SITES))
            c.assert_same_everywhere()
            for observer in SITES:
                self.check_status(c, observer)
            self.check_table(c)
            self.check_cert(c)

    def check_status(self, c, observer):
        status = wait_for(f'{observer} knows of three votes and one lead', lambda: (s := c.status(observer)) and
                          s['zones'][0]['votes'] == 3 and [row['leads'] for row in s['sites']].count(True) == 1 and s)
        self.assertEqual(status['observed_from'], observer)
        self.assertEqual(status['health'], {'level': 0, 'verdict': 'ok', 'reasons': []})
        self.assertEqual((status['cluster']['quorum'], status['cluster']['members']), (2, 3))
        self.assertEqual(status['leader'], COORDINATOR)
        zone = status['zones'][0]
        serial = c.serial('zrh')
        self.assertEqual((zone['zone'], zone['state'], zone['released']), ('xc.', 'released', serial))
        self.assertEqual((zone['parked'], zone['diverged']), ([], []))
        self.assertEqual((len(zone['content_root']), len(zone['full_root'])), (96, 96))
        self.assertGreater(zone['first_expiry'], time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 10 * 86400)))
        members = [row for row in status['sites'] if row['role'] != 'coordinator']
        self.assertEqual([row['name'] for row in members], list(SITES))
        for row in members:
            self.assertEqual((row['role'], row['state'], row['hsm'], row['error']), ('signer', 'ok', 'ok', None), row)
            self.assertEqual(row['released'], {'xc.': serial})

    def check_table(self, c):
        lines = c.ctl('zrh', 'status').stdout.splitlines()
        self.assertTrue(lines[-1].startswith('OK'), lines[-1])
        self.assertLessEqual(max(map(len, lines)), 112)
        for site in SITES:
            self.assertTrue(any(site in line for line in lines), site)

    def check_cert(self, c):
        cert = c.cert('sin')
        self.assertGreaterEqual(len(cert['signers']), 2)
        self.assertEqual(cert['full_root'], c.zone_status('sin')['full_root'])
        code, said, _ = c.verify('sin')
        self.assertEqual(code, 0, said)
        zone = c.zone('sin')
        zone.records = [record for record in zone.records if record[0] != cluster.to_wire('marker.xc.')]
        code, said = cluster.verify(c.path('cluster.yaml'), cert, zone)
        self.assertEqual(code, 1, said)
        self.assertIn('not the certified zone', said)

    def test_release_goes_on_without_one_site_which_catches_up_when_it_returns(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            c.stop('sin')
            c.write_zone(small_zone(2, 'two'))
            c.wait_marker('two', ('zrh', 'sjc'))
            row = wait_for('sin shown as unreachable', lambda: (r := c.site_status('zrh', 'sin')) and r['error'] and r)
            self.assertEqual(row['state'], 'unreachable')
            code, line = c.health('zrh')
            self.assertEqual(code, 1, line)
            self.assertIn('sin', line)
            self.assertEqual(c.health('sin')[0], 3)
            self.assertEqual(c.ctl('sin', 'status').returncode, 3)
            self.come_back_without_input(c)

    def come_back_without_input(self, c):
        """With its old input file in place: what it then serves came from its peers, not from its own signing."""
        c.write_zone(small_zone(1, 'one'), ['sin'])
        c.start('sin')
        c.wait_marker('two', ['sin'])
        c.assert_same_everywhere()
        for observer in SITES + (COORDINATOR,):  # the certificate has no vote of sin's
            wait_for(f'{observer} counts sin too', lambda: c.zone_status(observer)['votes'] == 3)
        c.write_zone(small_zone(3, 'three'))
        c.wait_marker('three')
        wait_for('health 0 at every site', lambda: all(c.health(site)[0] == 0 for site in SITES))

    def test_rounds_wait_without_quorum_and_the_zone_stays_served(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            c.stop('sjc', 'sin')
            serial = c.serial('zrh')
            wait_for('critical health', lambda: c.health('zrh')[0] == 2)
            c.write_zone(small_zone(2, 'two'))
            wait_for('the input taken', lambda: c.log_lines('zrh', 'input serial 2:'))
            self.assertIn('no quorum', c.reasons('zrh'))
            page = c.ctl('zrh', 'zone', 'status', 'xc', '--explain').stdout
            self.assertIn('1 of 3 sites are heard, 2 needed', page)
            self.assertIn('\n  bring sjc back\n', page)
            self.assertNotIn('consignctl maintenance on', page)  # it cannot come into force
            until = time.monotonic() + 3
            while time.monotonic() < until:
                self.assertEqual((c.serial('zrh'), c.marker('zrh')), (serial, 'one'))
            c.start('sjc')
            c.wait_marker('two', ('zrh', 'sjc'))
            c.start('sin')
            c.wait_marker('two')
            c.assert_same_everywhere()

    def test_nothing_is_released_without_coordinator_and_all_is_with_it(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start(*SITES)
            wait_for('the input taken', lambda: all(c.log_lines(site, 'input.taken') for site in SITES))
            reply = c.ask('zrh')[0]
            self.assertEqual((reply.rcode, reply.answers), (cluster.SERVFAIL, []))
            self.assertEqual([code for code, _ in reply.errors], [14])
            wait_for('zrh hears the others and misses a leader',
                     lambda: c.health('zrh')[0] == 1 and 'no coordinator leads' in c.reasons('zrh'))
            self.assertIsNone(c.cert('zrh'))
            c.start(COORDINATOR)
            c.wait_marker('one')
            c.kill(COORDINATOR)
            wait_for('no leader', lambda: 'no coordinator leads' in c.reasons('zrh'))
            self.assertEqual(c.marker('zrh'), 'one')
            c.start(COORDINATOR)
            c.write_zone(small_zone(2, 'two'))
            c.wait_marker('two')

    def test_a_stranger_gets_refused_and_no_name_error(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            port = c.ports['zrh', 'xfr']
            for rtype in (cluster.SOA, cluster.AXFR):
                reply = cluster.ask_tcp(port, 'xc.', rtype)[0]
                self.assertEqual((reply.rcode, reply.answers), (cluster.REFUSED, []))
                self.assertEqual([code for code, _ in reply.errors], [18])
            self.assertEqual(cluster.ask_udp(port, 'xc.', cluster.SOA).rcode, cluster.REFUSED)
            for name in ('nope.xc.', 'marker.xc.', 'example.', '.'):
                self.assertIn(cluster.ask_udp(port, name, cluster.A, c.key).rcode, (cluster.REFUSED, cluster.SERVFAIL))
            self.assertNotEqual(cluster.ask_tcp(port, 'xc.', cluster.AXFR, ('demo-key', b'wrong'))[0].rcode, cluster.NOERROR)
            reply = cluster.ask_udp(port, 'xc.', cluster.SOA, c.key)
            self.assertEqual((reply.rcode, reply.is_authoritative), (cluster.NOERROR, True))


if __name__ == '__main__':
    cluster.main()
