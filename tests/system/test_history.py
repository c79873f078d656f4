"""Goal: every site gives the same differences between releases (IXFR), record for record, also after kill -9; a site that was
away fetches what differs and the differences it missed, and believes nobody who lies. Method: real processes, one of them
changing a bit in its long answers (consign-node-false); the differences from every older serial applied to the zone as it was."""
import re
import unittest

import cluster
from cluster import SITES, SOA, Cluster, apply_ixfr, ask_ixfr, ask_udp, serial_of, small_zone, support, wait_for


def release(c, serial, marker, extra='', sites=None):
    """The zone after one more change."""
    c.write_zone(small_zone(serial, marker, names=200, extra=extra), sites)
    c.wait_marker(marker, sites)
    return c.zone((sites or SITES)[0])


def changes(c, site, serial):
    return ask_ixfr(c.ports[site, 'xfr'], c.origin, serial, c.key)


class History(unittest.TestCase):
    def check_changes(self, c, zones, sites=SITES):
        """From each older version to the newest, the same from every site; from the newest the SOA alone."""
        for zone in zones[:-1]:
            said = {site: changes(c, site, zone.serial) for site in sites}
            for site in sites:
                self.assertEqual(said[site], said[sites[0]], f'{site} gives other differences than {sites[0]}')
            self.assertEqual(apply_ixfr(zone, said[sites[0]]).content, zones[-1].content)
        self.assertEqual([record[1] for record in changes(c, sites[0], zones[-1].serial)], [SOA])

    def test_every_site_gives_the_same_differences(self):
        with Cluster(small_zone(1, 'v1', names=200)) as c:
            c.start()
            c.wait_marker('v1')
            zones = [c.zone('zrh')]
            for number in range(2, 7):
                zones.append(release(c, number, f'v{number}', f'x{number} IN NS ns.d001\n' if number % 2 else ''))
            self.check_changes(c, zones)
            self.check_udp(c, zones)
            c.kill('sjc')
            c.start('sjc')
            wait_for('sjc serves and knows its history', lambda: c.serial('sjc') == zones[-1].serial and
                     len(changes(c, 'sjc', zones[0].serial)) < len(zones[0].records))
            self.check_changes(c, zones)
            self.check_far_back(c, zones)

    def fetched(self, c, site, words):
        return [line for line in c.log_lines(site, f' {words}') if ' debug ' not in line]

    def test_a_site_that_was_away_gets_what_differs_and_its_history(self):
        """A dozen releases without sin: what it then fetches is a part of the zone, from whoever tells the truth, and it answers
        IXFR as if it had been there."""
        with Cluster(small_zone(1, 'v1', names=1500)) as c:
            c.start()
            c.wait_marker('v1')
            zones, rest = [c.zone('zrh')], ['zrh', 'sjc']
            c.stop('zrh', 'sin')
            false = support('consign-node-false')
            c.launch['zrh'] = ['sh', '-c', f'shift; exec {false} "$@"', 'sh']
            c.start('zrh')
            for number in range(2, 14):
                c.write_zone(small_zone(number, f'v{number}', names=1500, extra=f'x{number % 3} IN NS ns.d001\n'), rest)
                c.wait_marker(f'v{number}', rest)
                zones.append(c.zone('zrh'))
            c.stop('sjc')
            c.start('sin')
            wait_for('a lie is refused', lambda: self.fetched(c, 'sin', 'fetch.failed zone xc.: version not from site 1: does not match'))
            self.assertEqual(c.serial('sin'), zones[0].serial)
            c.start('sjc')
            c.wait_current('sin', 'zrh')
            wait_for('its history', lambda: self.fetched(c, 'sin', 'history.fetched'))
            self.assertTrue(self.fetched(c, 'sin', 'fetch.failed zone xc.: differences between versions not from site 1'))
            self.check_traffic(c, zones)
            zones[-1] = c.zone('zrh')
            c.assert_same_everywhere()
            self.check_changes(c, zones)

    def check_traffic(self, c, zones):
        """Of the version and of its history."""
        self.assertEqual(self.fetched(c, 'sin', 'fetch.whole'), [])
        line, = self.fetched(c, 'sin', 'fetch.difference')
        octets, trips = (int(n) for n in re.search(r'(\d+) octets in (\d+) round trips', line).groups())
        self.assertLess(octets, len(zones[0].octets) / 2)
        self.assertLessEqual(trips, 3)
        line, = self.fetched(c, 'sin', 'history.fetched')
        self.assertIn('12 differences', line)
        self.assertLess(int(re.search(r'(\d+) octets', line)[1]), 2 * 12 * 4096)

    def check_udp(self, c, zones):
        """One change fits into a datagram; all of them do not: then the SOA alone, as for a serial nobody knows."""
        def ask(serial):
            return [r for r in ask_udp(c.ports['sin', 'xfr'], c.origin, cluster.IXFR, c.key, serial=serial).answers]
        self.assertEqual(apply_ixfr(zones[-2], ask(zones[-2].serial)).content, zones[-1].content)
        for serial in (zones[0].serial, zones[0].serial - 1):
            self.assertEqual([(r[1], serial_of(r)) for r in ask(serial)], [(SOA, zones[-1].serial)])

    def check_far_back(self, c, zones):
        """A serial that was never released: the zone whole."""
        records = changes(c, 'zrh', zones[0].serial - 1)
        self.assertEqual(cluster.Zone(records).content, zones[-1].content)


if __name__ == '__main__':
    cluster.main()
