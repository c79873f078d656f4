"""Goal: what differs between two sites is named, record by record, by itself and to whoever asks at any site, in three round
trips; what differs everywhere is sampled and called systematic; equal contents print nothing.
Method: one site with a changed record, one with a fault in its software (consign-node-faulty), one with other TTLs throughout;
reports in its store, round trips in its log, `consignctl zone diff` at every site."""
import json
import os
import re
import unittest

import cluster
from cluster import SITES, Cluster, small_zone, support, wait_for

CHANGED = ['- marker.xc. 86400 IN TXT "one"', '+ marker.xc. 86400 IN TXT "other"']


def reports(c, site):
    """The texts of the kept reports."""
    folder, texts = c.path(site, 'store', 'reports'), []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name)) as file:
            texts.append(file.read())
    return texts


def records(text):
    return [line for line in text.splitlines() if not line.startswith('#')]


def diff(c, at, serial, first, second, zone='xc'):
    """`consignctl zone diff`: (exit status, standard output, standard error)."""
    done = c.ctl(at, 'zone', 'diff', zone, str(serial), first, second)
    return done.returncode, done.stdout, done.stderr


class Diff(unittest.TestCase):
    def assert_three_trips(self, c, site):
        """Each comparison that ended at this site took at most three exchanges."""
        trips = [int(n) for n in re.findall(r'diff\.done .* after (\d+) round trips', c.log(site))]
        said = len(c.log_lines(site, ' diff.trip '))
        self.assertEqual(sum(trips), said)
        self.assertTrue(trips)
        self.assertLessEqual(max(trips), 3)

    def test_changed_record_is_named_at_once_and_to_whoever_asks(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.write_zone(small_zone(1, 'other'), ['sin'])
            c.start()
            c.wait_marker('one')
            text = wait_for('a report at sin', lambda: reports(c, 'sin'))[0]
            self.assertEqual(records(text), CHANGED)
            self.assertIn('# class D: 1 RRset differs\n', text)
            lines = wait_for('the records in the log', lambda: c.log_lines('sin', ' diff.line '))
            self.assertEqual([line.split(': ', 1)[1] for line in lines], CHANGED)
            self.assert_three_trips(c, 'sin')
            serial = c.serial('zrh')
            for at in SITES:
                code, out, err = diff(c, at, serial, 'zrh', 'sin')
                self.assertEqual((code, records(out), err), (1, CHANGED, ''))
                swapped = [f'- {CHANGED[1][2:]}', f'+ {CHANGED[0][2:]}']
                self.assertEqual(records(diff(c, at, serial, 'sin', 'sjc')[1]), swapped)
                self.assertEqual(diff(c, at, serial, 'zrh', 'sjc'), (0, '', ''))
                self.assert_three_trips(c, at)
            self.check_refusals(c, serial)
            listed = c.ctl('sin', 'zone', 'reports', 'xc').stdout.split()
            self.assertEqual(listed, sorted(os.listdir(c.path('sin', 'store', 'reports')), reverse=True))
            with open(c.path('sin', 'store', 'reports', listed[0])) as file:
                self.assertEqual(c.ctl('sin', 'zone', 'reports', 'xc', listed[0]).stdout, file.read())
            self.assertEqual(json.loads(c.ctl('sin', '-o', 'json', 'zone', 'reports', 'xc').stdout)['reports'], listed)
            self.assertEqual(c.ctl('sin', 'zone', 'reports', 'xc', '../votes').returncode, 1)
            self.rejoin(c)

    def check_refusals(self, c, serial):
        for words, named in (((serial + 1000, 'zrh', 'sin'), 'nothing of that serial'), ((serial, 'zrh', 'nix'), 'nix: no site'),
                             ((serial, 'zrh', 'sin', 'xd'), 'xd.: not a zone')):
            code, out, err = diff(c, 'zrh', *words)
            self.assertEqual((code, out), (3, ''), err)
            self.assertIn(named, err)
        c.stop('sjc')
        wait_for('zrh without sjc', lambda: c.site_status('zrh', 'sjc')['state'] == 'unreachable')
        code, _, err = diff(c, 'zrh', serial, 'sjc', 'sin')
        self.assertEqual(code, 3, err)
        self.assertIn('site sjc', err)
        c.start('sjc')

    def rejoin(self, c):
        before = len(reports(c, 'sin'))
        c.write_zone(small_zone(2, 'two'))
        c.wait_marker('two')
        wait_for('sin has rejoined', lambda: c.site_status('sin', 'sin')['state'] == 'ok')
        serial = c.wait_released()
        self.assertEqual(diff(c, 'sjc', serial, 'zrh', 'sin'), (0, '', ''))
        self.assertEqual(len(reports(c, 'sin')), before)

    def test_inputs_are_compared_where_nothing_is_released(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.write_zone(small_zone(1, 'other'), ['sjc'])
            c.start('zrh', 'sjc')
            for site in ('zrh', 'sjc'):
                wait_for(f'the input at {site}', lambda: c.log_lines(site, 'input serial 1:'))
            code, out, _ = wait_for('a comparison', lambda: (d := diff(c, 'zrh', 1, 'zrh', 'sjc'))[0] == 1 and d)
            self.assertEqual(records(out), CHANGED)
            self.assertIsNone(c.serial('zrh'))

    def test_fault_in_the_chain_is_one_rrset_of_class_n(self):
        with Cluster(small_zone(1, 'one')) as c:
            faulty = support('consign-node-faulty')
            c.launch['sin'] = ['sh', '-c', f'shift; exec {faulty} "$@"', 'sh']
            c.start()
            c.wait_marker('one')
            serial = self.round_with_sin(c)
            self.check_chain(wait_for('a report at sin', lambda: reports(c, 'sin'))[0])
            self.assert_three_trips(c, 'sin')
            for at in SITES:
                code, out, err = diff(c, at, serial, 'zrh', 'sin')
                self.assertEqual((code, err), (1, ''))
                self.check_chain(out)
            c.assert_same_everywhere()

    def round_with_sin(self, c):
        """The serial of a released round that sin computed too: a slow site takes over what the others certified before it."""
        for version in range(2, 10):
            c.write_zone(small_zone(version, str(version)))
            c.wait_marker(str(version))
            serial = c.wait_released()
            if diff(c, 'zrh', serial, 'zrh', 'sin')[0] == 1:
                return serial
        self.fail('sin took part in no round')

    def check_chain(self, text):
        self.assertIn('# class N: 1 RRset differs\n', text)
        for letter in 'DKR':
            self.assertIn(f'# class {letter}: 0 RRsets differ\n', text)
        ours, theirs = records(text)
        self.assertRegex(ours, r'^- xc\. 3600 IN NSEC \S+ NS SOA RRSIG NSEC DNSKEY$')
        self.assertEqual(theirs, f'+{ours[1:]} TYPE65280')

    def test_other_ttls_throughout_are_systematic_and_sampled(self):
        with Cluster(small_zone(1, 'one', names=1500)) as c:
            c.write_zone(small_zone(1, 'one', names=1500).replace('$TTL 86400', '$TTL 86399'), ['sin'])
            c.start()
            text = wait_for('a report at sin', lambda: reports(c, 'sin'))[0]
            found = re.search(r'# systematic: (\d+) buckets differ', text)
            self.assertGreater(int(found.group(1)), 5000)
            shown = records(text)
            self.assertTrue(all(re.match(r'- \S+ 86400 IN|\+ \S+ 86399 IN', line) for line in shown), shown)
            self.assertGreater(len(shown), 250)
            self.assertLessEqual(len(shown), 1000)
            self.assert_three_trips(c, 'sin')


if __name__ == '__main__':
    cluster.main()
