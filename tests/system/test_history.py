"""Goal: every site gives the same differences between releases (IXFR), record for record, also after kill -9; a site that was
away fetches what differs and the differences it missed, and believes nobody who lies. Method: real processes, one of them
changing a bit in its long answers (consign-node-false); the differences from every older serial applied to the zone as it was."""
import re
import unittest

import cluster
from cluster import SITES, SOA, Cluster, apply_ixfr, ask_ixfr, ask_udp, serial_of, small_zone, support, wait_for
from wan import Wan


def release(c, serial, marker, extra='', sites=None, names=1500):
    """The zone after one more change."""
    c.write_zone(small_zone(serial, marker, names=names, extra=extra), sites)
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
                zones.append(release(c, number, f'v{number}', f'x{number} IN NS ns.d001\n' if number % 2 else '', names=200))
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

    def octets(self, c, event):
        """What sin fetched in this way."""
        return sum(int(re.search(r'(\d+) octets', line)[1]) for line in self.fetched(c, 'sin', f'{event} '))

    def test_a_site_that_was_away_gets_what_differs_and_its_history(self):
        """What it fetches is a part of the zone, from whoever tells the truth, and it answers IXFR as if it had been there."""
        with Cluster(small_zone(1, 'v1', names=1500)) as c:
            c.start()
            c.wait_marker('v1')
            zones = [c.zone('zrh')]
            self.check_few_missed(c, zones)
            self.check_much_changed(c, zones)

    def check_few_missed(self, c, zones):
        """The differences from version to version are less than anything else, and bring the history with them."""
        rest = ['zrh', 'sjc']
        c.stop('sin')
        for number in range(2, 8):
            zones.append(release(c, number, f'v{number}', f'x{number % 3} IN NS ns.d001\n', rest))
        c.start('sin')
        c.wait_current('sin', 'zrh')
        self.assertTrue(0 < self.octets(c, 'fetch.forward') < 6 * 8192)
        for event in ('fetch.difference', 'fetch.whole', 'history.fetched'):
            self.assertEqual(self.fetched(c, 'sin', event), [])
        c.assert_same_everywhere()
        self.check_changes(c, zones)

    def check_much_changed(self, c, zones):
        """Back and forth, more than the zone, so that no history reaches back, while what is left of it is little: the trees find
        that. The first site that is asked lies."""
        rest = ['zrh', 'sjc']
        c.stop('zrh', 'sin')
        false = support('consign-node-false')
        c.launch['zrh'] = ['sh', '-c', f'shift; exec {false} "$@"', 'sh']
        c.start('zrh')
        for number in range(8, 15):
            extra = ''.join(f't{i} IN TXT "{number % 2}"\n' for i in range(300)) if number < 14 else ''
            zones.append(release(c, number, f'v{number}', extra, rest))
        c.stop('sjc')
        c.start('sin')
        wait_for('a lie is refused', lambda: self.fetched(c, 'sin', 'fetch.failed zone xc.: version not from site 1: does not match'))
        self.assertEqual(c.serial('sin'), zones[-8].serial)
        c.start('sjc')
        c.wait_current('sin', 'zrh')
        wait_for('its history', lambda: self.fetched(c, 'sin', 'history.fetched'))
        self.assertTrue(self.fetched(c, 'sin', 'fetch.failed zone xc.: differences between versions not from site 1'))
        for line in self.fetched(c, 'sin', 'fetch.difference '):
            self.assertLessEqual(int(re.search(r'in (\d+) round trips', line)[1]), 3)
        self.assertTrue(0 < self.octets(c, 'fetch.difference') < len(zones[0].octets) / 2)
        self.assertEqual(self.fetched(c, 'sin', 'fetch.whole'), [])
        c.assert_same_everywhere()
        self.check_changes(c, zones[-3:])

    def test_a_peer_that_never_stops_costs_little(self):
        """The first site that is asked says that differences are few and sends them without end, and certificates by the thousand."""
        with Cluster(small_zone(1, 'v1'), log_level='info') as c:
            flood = support('consign-node-flood')
            c.launch['zrh'] = ['sh', '-c', f'shift; exec {flood} "$@"', 'sh']
            c.launch['sin'] = ['prlimit', f'--data={2 ** 30}']  # so that only this test fails
            c.start()
            c.wait_marker('v1')
            c.kill('sin')
            for number in range(2, 5):
                release(c, number, f'v{number}', sites=['zrh', 'sjc'], names=24)
            c.stop('sjc')
            c.start('sin')
            wait_for('it was asked', lambda: c.log_lines('sin', 'certificates not from site 1: '))
            c.start('sjc')
            c.wait_current('sin', 'zrh')
            with open(f'/proc/{c.processes["sin"].pid}/status') as file:
                peak_kb = int(re.search(r'VmHWM:\s+(\d+) kB', file.read())[1])
            self.assertLess(peak_kb, 400 * 1024)
            self.assertLess(len(c.log('sin').splitlines()), 1000)

    def test_a_peer_that_drips_is_left_for_the_next(self):
        """The first site that is asked is heard as ever, and gives what it is asked for at 40 octets a second. Nothing is lost or
        closed by that, so only patience that ends gets the site further."""
        with Cluster(small_zone(1, 'v1', names=200)) as c:
            wan = Wan(c)
            c.start()
            c.wait_marker('v1')
            c.stop('sin')
            for number in (2, 3):
                extra = ''.join(f't{i} IN TXT "{number}"\n' for i in range(300))
                release(c, number, f'v{number}', extra, ['zrh', 'sjc'], names=200)
            c.write_zone(small_zone(3, 'v3', names=200, extra=extra), ['sin'])
            wan.drip('zrh', 'sin', 40)
            wan.cut('sjc', 'sin')  # or it may be linked first, and asked first
            c.start('sin')
            wait_for('zrh is asked', lambda: c.log_lines('sin', 'asked whole from site 1'))
            wan.heal('sjc', 'sin')
            c.wait_current('sin', 'zrh', 120)
            self.assertTrue(self.fetched(c, 'sin', 'fetch.failed zone xc.: version not from site 1: deadline passed'))
            self.assertIsNone(c.site_status('sin', 'zrh')['error'])
            c.assert_same_everywhere()

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
