"""Goal: hundreds of zones in one listing are released, refreshed together, and released again after a site was killed in the
middle; a zone whose input no two sites have alike holds up no other. Method: a cluster with a listing; what each site has
released is counted in its log, some zones are asked for by AXFR."""
import re
import unittest

import cluster
import many_zones
from cluster import SITES, Cluster, small_zone, wait_for

COUNT = 200


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


if __name__ == '__main__':
    cluster.main()
