"""Goal: a fourth member without an HSM counts: it computes, verifies, holds and votes, 3 of 4 certify, and it never authors; with
it three sites release without the fourth, whichever that is, and a site that lies gets nothing certified. An author that dies
while it signs costs seconds.
Method: zrh, sjc, sin and the verifier fra; sites stopped, given another input, or replaced by consign-node-liar; tokens slowed
down by p11wrap; certificates read and checked offline."""
import re
import time
import unittest

import cluster
from cluster import COORDINATOR, SITES, VERIFIER, Cluster, assert_matches, small_zone, support, wait_for
from test_hsm_faults import wrap

MEMBERS = SITES + (VERIFIER,)


def make_cluster(serial, marker, **more):
    return Cluster(small_zone(serial, marker), verifiers=[VERIFIER], **more)


def lie(c, site):
    liar = support('consign-node-liar')
    c.launch[site] = ['sh', '-c', f'shift; exec {liar} "$@"', 'sh']


class Verifier(unittest.TestCase):
    def signers(self, c, site):
        return [signer['name'] for signer in c.cert(site)['signers']]

    def check_release(self, c, serial, sites):
        """These sites, and no others, certify and release the next input."""
        c.write_zone(small_zone(serial, f'v{serial}'))
        c.wait_marker(f'v{serial}', sites)
        self.assertEqual(self.signers(c, sites[0]), list(sites))
        c.assert_same_everywhere(sites)

    def check_stays(self, c, marker, sites, seconds=4):
        """Nothing new for a while, in which a round that could be certified would be."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.assertEqual({c.marker(site) for site in sites}, {marker})
            time.sleep(0.2)

    def check_status(self, c):
        """It stands there without an HSM, and nobody minds."""
        for observer in MEMBERS:
            status = wait_for(f'{observer} is content', lambda: c.health(observer)[0] == 0 and c.status(observer))
            self.assertEqual(status['health'], {'level': 0, 'verdict': 'ok', 'reasons': []})
            self.assertEqual((status['cluster']['quorum'], status['cluster']['members']), (3, 4))
            rows = {row['name']: row for row in status['sites']}
            self.assertEqual({name: rows[name]['role'] for name in MEMBERS},
                             {'zrh': 'signer', 'sjc': 'signer', 'sin': 'signer', VERIFIER: 'verifier'})
            self.assertEqual({name: rows[name]['hsm'] for name in MEMBERS},
                             {'zrh': 'ok', 'sjc': 'ok', 'sin': 'ok', VERIFIER: 'none'})
            self.assertEqual((rows[VERIFIER]['state'], rows[VERIFIER]['error']), ('ok', None))

    def test_three_of_four_certify_and_the_verifier_never_authors(self):
        with make_cluster(1, 'v1') as c:
            c.start()
            c.wait_marker('v1')
            c.assert_same_everywhere()
            self.assertGreaterEqual(len(self.signers(c, 'zrh')), 3)
            self.check_status(c)
            for stopped in SITES:
                c.stop(stopped)
                self.check_release(c, c.cert(VERIFIER)['input']['serial'] + 1, [name for name in MEMBERS if name != stopped])
                c.start(stopped)
                c.wait_current(stopped, VERIFIER)
            c.stop(VERIFIER)
            self.check_release(c, 5, SITES)
            c.start(VERIFIER)
            c.wait_current(VERIFIER, 'zrh')
            self.assertTrue(c.log_lines(VERIFIER, 'both verifiers accept'))
            self.assertEqual(c.log_lines(VERIFIER, 'round.sign'), [])
            self.check_status(c)

    def test_two_of_four_release_nothing_and_serve_on(self):
        with make_cluster(1, 'v1') as c:
            c.start()
            c.wait_marker('v1')
            c.stop('sjc', 'sin')
            c.write_zone(small_zone(2, 'v2'))
            wait_for('fra says so', lambda: c.health(VERIFIER)[0] == 2)
            self.assertIn('no quorum', c.reasons(VERIFIER))
            self.check_stays(c, 'v1', ('zrh', VERIFIER))
            c.start('sin')
            c.wait_marker('v2', ('zrh', 'sin', VERIFIER))

    def start_with_inputs(self, c):
        """A site that has not read its own file yet votes for what the others confirm."""
        c.start(*MEMBERS)
        for site in MEMBERS:
            wait_for(f'{site} has read its file', lambda: c.log_lines(site, 'input.taken'))
        c.start(COORDINATOR)

    def test_a_changed_record_at_one_signer_is_not_certified(self):
        with make_cluster(1, 'v1') as c:
            c.write_zone(small_zone(1, 'other'), ['sin'])
            self.start_with_inputs(c)
            c.wait_marker('v1')
            self.assertEqual(self.signers(c, 'zrh'), ['zrh', 'sjc', VERIFIER])
            c.assert_same_everywhere()
            diverged = wait_for('sin shown as diverged by fra', lambda: c.zone_status(VERIFIER)['diverged'])
            self.assertEqual([(row['site'], row['classes']) for row in diverged], [('sin', 'D')])
            c.stop(VERIFIER)  # zrh and sjc alone are two of four
            c.write_zone(small_zone(2, 'v2'), ('zrh', 'sjc'))
            c.write_zone(small_zone(2, 'other'), ['sin'])
            self.check_stays(c, 'v1', ('zrh', 'sjc', 'sin'))
            c.write_zone(small_zone(2, 'v2'), [VERIFIER])
            c.start(VERIFIER)
            c.wait_marker('v2')

    def test_a_changed_record_at_the_verifier_is_not_certified(self):
        with make_cluster(1, 'v1') as c:
            c.write_zone(small_zone(1, 'other'), [VERIFIER])
            self.start_with_inputs(c)
            c.wait_marker('v1')
            self.assertEqual(self.signers(c, 'zrh'), list(SITES))
            wait_for('fra knows', lambda: c.site_status(VERIFIER, VERIFIER)['state'] == 'diverged')
            c.write_zone(small_zone(2, 'v2'))
            c.wait_marker('v2')
            wait_for('all is well', lambda: all(c.health(site)[0] == 0 for site in MEMBERS))

    def check_liar(self, liar):
        """Its vote for other bytes counts for nobody: the others release without it, and with one of them away nobody does."""
        others = [name for name in MEMBERS if name != liar]
        with make_cluster(1, 'v1') as c:
            c.edit('cluster.yaml', lambda text: text.replace('faults: 0', 'faults: 1'))  # 2 x 3 > 4 + 1
            lie(c, liar)
            c.start()
            c.wait_marker('v1', others)
            c.assert_same_everywhere(others)
            for serial in (2, 3):
                self.check_release(c, serial, others)
            stopped = next(name for name in SITES if name != liar)
            rest = [name for name in others if name != stopped]
            c.stop(stopped)
            failed = len(c.log_lines(COORDINATOR, 'trace abandoned'))
            c.write_zone(small_zone(4, 'v4'))
            wait_for('rounds whose votes differ', lambda: len(c.log_lines(COORDINATOR, 'trace abandoned')) >= failed + 2)
            self.check_stays(c, 'v3', rest)
            c.start(stopped)
            c.wait_marker('v4', others)
            self.assertEqual(self.signers(c, others[0]), others)
            c.assert_same_everywhere(others)

    def test_a_signer_that_votes_for_other_bytes_gets_nothing_certified(self):
        self.check_liar('sin')

    def test_a_verifier_that_votes_for_other_bytes_gets_nothing_certified(self):
        self.check_liar(VERIFIER)

    def test_only_a_verifier_may_do_without_an_hsm(self):
        with make_cluster(1, 'v1') as c:
            for site in MEMBERS:
                self.assertEqual(c.check(site), (0, ''), site)
            with open(c.config_path(VERIFIER)) as file:
                self.assertNotIn('hsm', file.read())
            c.edit('sin', lambda text: re.sub(r'^hsm:\n(  .*\n)+', '', text, flags=re.M))
            code, said = c.check('sin')
            self.assertEqual(code, 2, said)
            assert_matches(r"sin/node\.yaml:1:1: no 'hsm', but sin is a signer in the cluster document", said, '--check')
            c.start('sin')
            self.assertEqual(c.exit_status('sin'), 2)

    # ---- authors' shares

    def test_the_share_of_an_author_that_dies_while_it_signs_is_taken_over(self):
        with make_cluster(1, 'v1') as c:
            set_fault = wrap(c, 'sin', deadline='100s')
            c.start()
            c.wait_marker('v1')
            wait_for('three that can sign', lambda: all(c.site_status(VERIFIER, site)['hsm'] == 'ok' for site in SITES))
            set_fault('slow:1')  # a share of a dozen signatures: dead before it is done
            begun = len(c.log_lines('sin', 'round.sign '))
            c.write_zone(small_zone(2, 'v2', names=60))
            wait_for('sin signs', lambda: len(c.log_lines('sin', 'round.sign ')) > begun, pause=0.02)
            self.assertEqual(len(c.log_lines('sin', 'round.signed')), begun)
            c.kill('sin')
            start = time.monotonic()
            rest = [name for name in MEMBERS if name != 'sin']
            c.wait_marker('v2', rest)
            print(f'released {time.monotonic() - start:.1f} s after the death of an author that was signing', flush=True)
            self.assertEqual(self.signers(c, 'zrh'), rest)
            c.assert_same_everywhere(rest)
            self.assertTrue(c.log_lines(COORDINATOR, 'author-out zone xc. site 3'))


if __name__ == '__main__':
    cluster.main()
