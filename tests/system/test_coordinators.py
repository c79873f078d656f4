"""Goal: operators see what the coordinators do, at the sites and at each coordinator, and one that is started again is enough.
Method: three coordinators without distances (test_failover.py has those), asked over their own control sockets; what their logs
say of changes of leaders is read. kill -9, SIGSTOP."""
import os
import signal
import tempfile
import unittest
import unittest.mock

import cluster
from cluster import COORDINATOR, COORDINATORS, SITES, Cluster, assert_matches, small_zone, support, wait_for


def state(c, name):
    """A coordinator's own row, or None."""
    row = c.site_status(name, name)
    return row and row['state']


def leading(c):
    return [name for name in c.coordinators if c.is_alive(name) and state(c, name) == 'leading']


def wait_leader(c):
    """The one that says that it leads, and that sites and standbys name."""
    def named():
        names = leading(c)
        watchers = SITES + tuple(name for name in c.coordinators if c.is_alive(name))
        is_agreed = len(names) == 1 and all((c.status(at) or {}).get('leader') == names[0] for at in watchers)
        return names[0] if is_agreed else None
    return wait_for('one leader by all words', named)


class Coordinators(unittest.TestCase):
    def test_a_coordinator_shows_sites_zones_and_itself(self):
        with Cluster(small_zone(1, 'v1'), coordinators=3, log_level='info') as c:
            c.start()
            c.wait_marker('v1')
            leader = wait_leader(c)  # a standby may have missed the first votes: its links were not up yet
            c.write_zone(small_zone(2, 'v2'))
            c.wait_marker('v2')
            for name in c.coordinators:
                def is_well():
                    status = c.status(name)
                    return (status['zones'][0]['released'] == c.serial('zrh') and status['health']['verdict'] == 'ok' and
                            status)
                status = wait_for(f'{name} sees all', is_well)
                rows = {row['name']: row for row in status['sites']}
                self.assertEqual(list(rows), list(SITES) + [name])
                self.assertEqual(rows[name]['role'], 'coordinator')
                self.assertEqual(rows[name]['state'], 'leading' if name == leader else 'standing by')
                self.assertEqual(status['observed_from'], name)
                zone = status['zones'][0]
                self.assertEqual((zone['zone'], zone['state']), ('xc.', 'released'))
                self.assertEqual(zone['released'], c.serial('zrh'))
                self.assertEqual(c.health(name)[0], 0)
                self.assertEqual(c.ctl(name, 'cert', 'show', 'xc.').returncode, 1)
            c.kill('sin')
            c.kill('sjc')
            wait_for('the leader misses two sites', lambda: 'no quorum' in c.reasons(leader))
            self.assertEqual(c.health(leader)[0], 2)
            wait_for('it rests or listens', lambda: state(c, leader) in ('resting', 'listening'))

    def test_a_site_that_was_down_while_the_clock_was_set_back_is_dialled_again(self):
        shim = support('clockshift.so')
        with tempfile.NamedTemporaryFile('w') as shift, unittest.mock.patch.dict(
                os.environ, {'LD_PRELOAD': shim, 'CLOCKSHIFT_FILE': shift.name}):
            shift.write('-86400')  # so that certificates are good then
            shift.flush()
            made = Cluster(small_zone(1, 'v1'), log_level='info')
        with made as c:
            dialers = ('zrh', COORDINATOR)

            def set_clocks(seconds):
                for name in dialers:
                    with open(c.path(name, 'clock'), 'w') as file:
                        file.write(str(seconds))

            def wait_for_sjc(is_there):
                for name in dialers:
                    wait_for(f'sjc {is_there} at {name}', lambda: (row := c.site_status(name, 'sjc')) and
                             (row['state'] != 'unreachable') == is_there)
            for name in dialers:
                c.environments[name] = {'LD_PRELOAD': shim, 'CLOCKSHIFT_FILE': c.path(name, 'clock')}
            c.start()
            c.wait_marker('v1')
            c.stop('sjc')
            wait_for_sjc(False)
            set_clocks(-7200)
            for name in dialers:
                wait_for(f'{name} begins again', lambda: c.log_lines(name, 'mesh.clock') and c.status(name))
            c.start('sjc')
            wait_for_sjc(True)
            set_clocks(0)
            c.write_zone(small_zone(2, 'v2'))
            c.wait_marker('v2')

    def test_logs_say_in_words_who_leads(self):
        with Cluster(small_zone(1, 'v1'), coordinators=3, log_level='info') as c:
            c.start()
            c.wait_marker('v1')
            old = wait_leader(c)
            assert_matches(r'info consign-coordinator \S+ coordinator.move term \d+: leads: enough sites follow', c.log(old), old)
            c.processes[old].child.send_signal(signal.SIGSTOP)
            new = wait_for('another leads', lambda: next((name for name in leading_of(c, old)), None))
            c.processes[old].child.send_signal(signal.SIGCONT)
            self.assertTrue(c.log_lines(new, ': leads: enough sites follow'))
            self.assertEqual(wait_leader(c), new)
            wait_for(f'{old} says that it stands by', lambda: c.log_lines(old, ': leads no more'))
            for site in SITES:
                wait_for(f'{site} says whom it follows', lambda: c.log_lines(site, f'leader.follow follows {new}'))

    def test_sites_miss_standbys_that_are_gone_and_releases_go_on(self):
        with Cluster(small_zone(1, 'v1'), coordinators=3) as c:
            c.start()
            c.wait_marker('v1')
            leader = wait_leader(c)
            wait_for('all is well', lambda: all(c.health(site)[0] == 0 for site in SITES))
            gone = [name for name in c.coordinators if name != leader]
            for name in gone:
                c.kill(name)
            for site in SITES:
                wait_for(f'{site} misses both', lambda: all(
                    f'coordinator {name} not heard since ' in c.reasons(site) for name in gone))
                code, line = c.health(site)
                self.assertEqual(code, 1, line)
                self.assertIn(' coordinators=1 ', line)
                rows = {row['name']: row for row in c.status(site)['coordinators']}
                self.assertEqual([name for name in rows if rows[name]['missing']], gone)
                self.assertTrue(rows[leader]['leads'])
            wait_for('so does the one that leads', lambda: all(
                f'coordinator {name} not heard since ' in c.reasons(leader) for name in gone))
            c.write_zone(small_zone(2, 'v2'))
            c.wait_marker('v2')
            c.start(*gone)
            wait_for('all is well again', lambda: all(c.health(at)[0] == 0 for at in SITES + c.coordinators))

    def test_any_one_that_is_started_again_is_enough(self):
        with Cluster(small_zone(1, 'v1'), coordinators=3) as c:
            c.start()
            c.wait_marker('v1')
            for serial, name in enumerate(c.coordinators, start=2):
                for other in c.coordinators:
                    if c.is_alive(other):
                        c.kill(other)
                c.write_zone(small_zone(serial, f'v{serial}'))
                wait_for('the sites say so', lambda: all(
                    'no coordinator leads: nothing new is released; start one of ' + ', '.join(COORDINATORS) in c.reasons(site)
                    for site in SITES))
                self.assertEqual({c.marker(site) for site in SITES}, {f'v{serial - 1}'})
                c.start(name)
                c.wait_marker(f'v{serial}')
                self.assertEqual(wait_leader(c), name)
            c.assert_same_everywhere()


def leading_of(c, stopped):
    """Who leads by its own word, without asking one that stands still."""
    return [name for name in c.coordinators if name != stopped and state(c, name) == 'leading']


if __name__ == '__main__':
    cluster.main()
