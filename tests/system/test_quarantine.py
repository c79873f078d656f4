"""Goal: an input that ends the node ends it twice at most; then the site serves on and says so; what the others certify is
served in spite of it, and another input ends the quarantine. A node that is stopped at work, as for an upgrade, may be so as
often as one likes.
Method: sin runs consign-node-fatal, which aborts at a word in the file, or at an owner when it computes; whoever ends it is
started again, as a service manager would. At another owner it computes for ever, so that every stop comes in the middle."""
import signal
import unittest

import cluster
from cluster import SITES, Cluster, small_zone, support, wait_for


class Quarantine(unittest.TestCase):
    def make_fatal(self, c, site):
        fatal = support('consign-node-fatal')
        c.launch[site] = ['sh', '-c', f'shift; exec {fatal} "$@"', 'sh']

    def fall_twice(self, c, site):
        for _ in range(2):
            self.assertEqual(c.exit_status(site), -signal.SIGABRT)
            c.start(site)

    def test_file_that_ends_the_node_is_read_twice_and_no_more(self):
        with Cluster(small_zone(1, 'one')) as c:
            self.make_fatal(c, 'sin')
            c.start()
            c.wait_marker('one')
            c.write_zone(small_zone(2, 'poison-read'))
            self.fall_twice(c, 'sin')
            parked = wait_for('the file is parked at sin', lambda: c.parked('sin'))
            self.assertIn('quarantined: this node ended 2 times', parked[0])
            c.wait_marker('poison-read')  # certified by the others, and served here too
            self.assertTrue(c.is_alive('sin'))
            c.write_zone(small_zone(3, 'three'))
            c.wait_marker('three')
            wait_for('nothing is parked at sin', lambda: not c.parked('sin'))

    def test_content_that_ends_the_node_is_computed_twice_and_no_more(self):
        with Cluster(small_zone(1, 'one')) as c:
            self.make_fatal(c, 'sin')
            c.start()
            c.wait_marker('one')
            c.stop('sjc')  # no quorum without sin: nothing ends the quarantine
            c.write_zone(small_zone(2, 'two', extra='poison-compute IN TXT "x"\n'))
            self.fall_twice(c, 'sin')
            wait_for('sin refuses the round', lambda: c.log_lines('sin', 'quarantined: this node ended 2 times'))
            self.assertEqual(c.marker('sin'), 'one')
            c.start('sjc')
            c.wait_marker('two')  # certified by the others, fetched and served here
            self.assertTrue(c.is_alive('sin'))
            c.write_zone(small_zone(3, 'three'))
            c.wait_marker('three')
            c.assert_same_everywhere(SITES)

    def begin_again_at_work(self, c, count):
        """By itself, as its clock is set back; one fall more would be one too many."""
        def set_clock(seconds):
            with open(c.path('sin', 'clock'), 'w') as file:
                file.write(str(seconds))
        c.environments['sin'] = {'LD_PRELOAD': support('clockshift.so'), 'CLOCKSHIFT_FILE': c.path('sin', 'clock')}
        set_clock(20)  # ahead, so that certificates are good
        c.start('sin')
        wait_for('sin computes', lambda: len(c.log_lines('sin', 'endless-compute begun')) == count + 1)
        set_clock(0)
        wait_for('sin computes again', lambda: len(c.log_lines('sin', 'endless-compute begun')) == count + 2)
        self.assertTrue(c.log_lines('sin', 'mesh.clock'))
        c.stop('sin')

    def test_node_that_is_stopped_while_it_computes_computes_again(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            c.stop('sin', 'sjc')  # no quorum without sin: nothing but its own work brings the next release
            self.make_fatal(c, 'sin')
            c.write_zone(small_zone(2, 'two', extra='endless-compute IN TXT "x"\n'))
            for count, end in enumerate((c.stop, c.kill, c.stop, c.stop), 1):  # the kill is one of the two that it may have
                c.start('sin')
                wait_for('sin computes', lambda: len(c.log_lines('sin', 'endless-compute begun')) == count)
                end('sin')
            self.begin_again_at_work(c, count)
            del c.launch['sin']
            c.start('sin')
            c.wait_marker('two', ('zrh', 'sin'))


if __name__ == '__main__':
    cluster.main()
