"""Goal: hundreds of zones in one listing are released, refreshed together, and released again after a site was killed in the
middle; a zone whose input no two sites have alike holds up no other; nor does one that is big. Method: a cluster with a listing;
what each site has released is counted in its log, some zones are asked for by AXFR. The big zone stands beside a small one that
changes all the time, on so few cores that they have much to do with it."""
import datetime
import os
import re
import unittest

import cluster
import many_zones
from cluster import SITES, Cluster, small_zone, wait_for

COUNT = 200
BIG = 24000    # delegations, each with a DS RRset and an NSEC record to sign
CORES = 2      # for all daemons together, so that verifying the big zone takes long on any machine
PARTS = 3      # of the time in which a site verifies the big zone; the small one is released in each, ten times as a rule


def time_of(line):
    return datetime.datetime.fromisoformat(line.split('>')[-1].split()[0].rstrip('Z') + '+00:00').timestamp()


class Many(unittest.TestCase):
    def wait_taken(self, c, serial):
        """Until every site has released the input with this serial in every zone."""
        wanted = {many_zones.name_of(i) for i in range(COUNT)}

        def is_done():
            return all(wanted <= self.released(c, site, serial) for site in SITES)
        wait_for(f'every zone with input {serial} at every site', is_done, 180, pause=0.5)

    def released(self, c, site, serial):
        """Zones whose newest round of this input was released here."""
        rounds, done = {}, set()
        for line in c.log(site).splitlines():
            found = re.search(r' round\.compute zone (\S+) serial (\d+) input (\d+)', line)
            if found:
                rounds[found[1], found[2]] = int(found[3])
            found = re.search(r' round\.released zone (\S+) serial (\d+):', line)
            if found and rounds.get((found[1], found[2])) == serial:
                done.add(found[1])
        return done

    def marker(self, c, site, number):
        name = many_zones.name_of(number)
        replies = cluster.ask_tcp(c.ports[site, 'xfr'], name, cluster.AXFR, c.key)
        zone = cluster.Zone([record for reply in replies for record in reply.answers if record[1] != cluster.TSIG])
        return zone.digest, zone.texts(f'{many_zones.MARK}.{name}')

    def test_hundreds_of_zones_are_released_and_refreshed_together(self):
        with Cluster(small_zone(1, 'one'), log_level='info') as c:
            many_zones.add(c, COUNT)
            c.start()
            self.wait_taken(c, 1)
            many_zones.write(c, [7], 2, marker='at zrh', sites=('zrh',))  # no two sites have the same
            many_zones.write(c, [7], 2, marker='at sjc', sites=('sjc',))
            many_zones.write(c, [7], 2, marker='at sin', sites=('sin',))
            many_zones.write(c, [i for i in range(COUNT) if i != 7], 2, marker='two')
            wait_for('some zones with input 2', lambda: len(self.released(c, 'sin', 2)) > COUNT // 10, 60)
            c.kill('sin')
            c.start('sin')
            wanted = COUNT - 1

            def is_current():
                return all(len(self.released(c, site, 2)) >= wanted for site in ('zrh', 'sjc'))
            wait_for('every zone but one with input 2', is_current, 180, pause=0.5)
            for number in (0, COUNT // 2, COUNT - 1):
                def agreed():
                    return len({str(self.marker(c, site, number)) for site in SITES}) == 1
                wait_for(f'the same zone {number} everywhere', agreed)
                self.assertEqual(self.marker(c, 'sin', number)[1], ['two'])
            self.assertEqual(self.marker(c, 'zrh', 7)[1], [''])  # still what was released

    def test_a_big_zone_does_not_delay_the_rounds_of_a_small_one(self):
        with Cluster(small_zone(1)) as c:
            many_zones.add(c, 1)
            cores = ','.join(str(core) for core in sorted(os.sched_getaffinity(0))[:CORES])
            for name in c.names:
                c.launch[name] = [cluster.find_tool('taskset'), '-c', cores]
            c.start()
            wait_for('both zones released', lambda: all(len(self.lines(c, site, 'released')) == 2 for site in SITES))
            extra = ''.join(f'big{i} IN NS ns.example.\nbig{i} IN DS {i} 13 2 {i:064x}\n' for i in range(BIG))
            c.write_zone(small_zone(2, extra=extra))
            serial = 1
            while not all(self.lines(c, site, 'released', c.origin)[1:] for site in SITES):
                serial += 1
                many_zones.write(c, [0], serial, marker=str(serial))
                wait_for('the small zone again, or the end of the big one', lambda: all(
                    self.lines(c, site, 'released', c.origin)[1:] or
                    len(self.lines(c, site, 'released', many_zones.name_of(0))) >= serial for site in SITES), 120, pause=0.5)
            parts = [found for site in SITES if (found := self.during_verification(c, site)) is not None]
            self.assertGreaterEqual(len(parts), 2)  # the third may have had their certificate first
            self.assertNotIn(0, sum(parts, []), f'releases of the small zone in parts of the verification of the big one: {parts}')

    def during_verification(self, c, site):
        """How often this site released the small zone in each part of its verification of the big one; None: it had none."""
        begin, end = (self.lines(c, site, what, c.origin)[1:] for what in ('staged', 'verified'))
        if not begin or not end:
            return None
        begin, end = (time_of(lines[0]) for lines in (begin, end))
        counts = [0] * PARTS
        for line in self.lines(c, site, 'released', many_zones.name_of(0)):
            part = int((time_of(line) - begin) / (end - begin) * PARTS)
            if 0 <= part < PARTS:
                counts[part] += 1
        return counts

    def lines(self, c, site, what, zone=''):
        return c.log_lines(site, f' round.{what} zone {zone}')


if __name__ == '__main__':
    cluster.main()
