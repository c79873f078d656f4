"""Goal: a site with other content never serves it: it is shown as diverged with the class, serves what a quorum certified, and
rejoins when its input is right again.
Method: one site gets an input with one changed record under the same serial; then all get the next serial."""
import hashlib
import json
import os
import re
import struct
import unittest

import cluster
from cluster import COORDINATOR, SITES, Cluster, small_zone, wait_for


def served_markers(c, sites=SITES):
    return {site: c.marker(site) for site in sites}


class Divergence(unittest.TestCase):
    def test_changed_record_at_one_site_is_never_served(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.write_zone(small_zone(1, 'other'), ['sin'])
            c.start(*SITES)  # a site that has not read its own file yet takes the one that the others confirm
            for site in SITES:
                wait_for(f'{site} has read its file', lambda: c.log_lines(site, 'input.taken'))
            c.start(COORDINATOR)
            served = set()

            def all_have_one():
                markers = served_markers(c)
                served.update(markers.values())
                return set(markers.values()) == {'one'}
            wait_for('the certified content at all sites', all_have_one)
            self.assertEqual(served - {None}, {'one'})
            c.assert_same_everywhere()
            diverged = wait_for('sin shown as diverged by zrh', lambda: c.zone_status('zrh')['diverged'])
            self.assertEqual([(row['site'], row['classes']) for row in diverged], [('sin', 'D')])
            wait_for('sin says so', lambda: c.site_status('sin', 'sin')['state'] == 'diverged' and c.log_lines('sin', 'site.diverged'))
            for observer in SITES + (COORDINATOR,):
                wait_for(f'{observer} is critical', lambda: c.health(observer)[0] == 2)
            self.rejoin(c)

    def rejoin(self, c):
        c.write_zone(small_zone(2, 'two'))
        c.wait_marker('two')
        wait_for('sin has rejoined', lambda: not c.zone_status('zrh')['diverged'] and
                 c.site_status('sin', 'sin')['state'] == 'ok')
        wait_for('health 0', lambda: all(c.health(site)[0] == 0 for site in SITES))
        c.assert_same_everywhere()

    def test_changed_record_in_a_later_version_leaves_the_site_with_the_certified_one(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            c.write_zone(small_zone(2, 'other'), ['sin'])
            wait_for('the other content taken', lambda: c.log_lines('sin', 'input serial 2:'))
            c.write_zone(small_zone(2, 'two'), ['zrh', 'sjc'])
            seen = set()

            def current():
                seen.add(c.marker('sin'))
                return c.marker('zrh') == c.marker('sin') == 'two'
            wait_for('the certified version at sin', current)
            self.assertLessEqual(seen, {'one', 'two', None})
            wait_for('sin is shown', lambda: c.site_status('zrh', 'sin')['state'] == 'diverged' or
                     c.zone_status('zrh')['diverged'] or c.parked('sin'))
            self.rejoin_with(c, 3)

    def rejoin_with(self, c, serial):
        c.write_zone(small_zone(serial, f'v{serial}'))
        c.wait_marker(f'v{serial}')
        wait_for('health 0', lambda: all(c.health(site)[0] == 0 for site in SITES))

    def test_other_key_set_at_one_site_is_shown_as_class_k(self):
        with Cluster(small_zone(1, 'one')) as c:
            with open(c.path('keyset.yaml')) as file:
                text = file.read()
            with open(c.path('sin', 'keyset.yaml'), 'w') as file:
                file.write(text.replace('dnskey-ttl: 3600', 'dnskey-ttl: 7200'))
            c.edit('sin', lambda text: text.replace('keys: ../keyset.yaml', 'keys: keyset.yaml'))
            c.start()
            c.wait_marker('one', ('zrh', 'sjc'))
            c.wait_marker('one', ['sin'])
            c.assert_same_everywhere()
            wait_for('somebody says so', lambda: c.health('sin')[0] > 0)
            self.check_refusals(c)

    def refusals(self, c, site):
        """What sin refused, as this site keeps it."""
        done = c.ctl(site, '-o', 'json', 'zone', 'refusals', 'xc.', '--site', 'sin')
        return json.loads(done.stdout)['refusals'] if done.returncode == 0 else []

    def check_refusals(self, c):
        """It refuses each round: the others say so, with its signature, and after a restart too."""
        kept = wait_for('zrh keeps what sin refuses', lambda: self.refusals(c, 'zrh'))[0]
        self.assertEqual((kept['rule'], kept['test'], kept['site']), (2, 23, 'sin'), kept)
        self.assert_signed(c, kept)
        page = c.ctl('zrh', 'zone', 'status', 'xc.', '--explain').stdout
        self.assertIn('sin refused (R2, 23): key set approved here? here version 1, in the round version 1 with other content', page)
        self.assertIn('put the same key set file', page.split('AN OPERATOR MAY')[1])
        wait_for('sin serves it all the same', lambda: re.search(r'\nsin +\d+ +\S+( \S+)? +\S+( \S+)? +serves the newest\n',
                                                                 c.ctl('zrh', 'zone', 'status', 'xc.').stdout))
        said = wait_for('the coordinator has nothing to do', lambda: (
            said := json.loads(c.ctl(COORDINATOR, '-o', 'json', 'zone', 'status', 'xc.').stdout)) and said['state'] == 'idle' and said)
        self.assertEqual([row['site'] for row in said['sites']], list(SITES))
        wait_for('the file is written', lambda: os.path.exists(c.path('zrh', 'store', 'refusals')))
        c.stop('sin')
        c.kill('zrh')
        c.start('zrh')
        again = wait_for('zrh answers', lambda: self.refusals(c, 'zrh'))[0]
        self.assertEqual((again['test'], again['first']), (23, kept['first']))
        self.put_right(c)

    def put_right(self, c):
        """It is blamed no more once its key set is the others', though it has not voted since."""
        self.assertIn('sin has refused', c.reasons('sjc'))  # which was not started anew
        self.assertIn('of sin, which refused', ' '.join(c.ctl('sjc', 'zone', 'status', 'xc.', '--explain').stdout.split()))
        c.edit('sin', lambda text: text.replace('keys: keyset.yaml', 'keys: ../keyset.yaml'))
        c.start('sin')
        for site in SITES:
            wait_for(f'{site} is well', lambda: c.health(site)[0] == 0)
            self.assertNotIn('which refused', c.ctl(site, 'zone', 'status', 'xc.', '--explain').stdout)

    def assert_signed(self, c, kept):
        """docs/PROTOCOL.md, 2, with sin's key of the cluster document."""
        body, digest = bytes.fromhex(kept['statement']), hashlib.sha384()
        digest.update(body)
        with open(c.path('cluster.yaml')) as file:
            key = re.search(r'name: sin.*?\bkey: ([0-9a-f]{64})', file.read(), re.S)[1]
        for name, octets in (('octets', b'consign refused v1\0' + struct.pack('>HI', 3, kept['incarnation']) + digest.digest()),
                             ('signature', bytes.fromhex(kept['signature'])),
                             ('public', bytes.fromhex('302a300506032b6570032100' + key))):
            with open(c.path(name), 'wb') as file:
                file.write(octets)
        cluster.run('openssl', 'pkeyutl', '-verify', '-rawin', '-pubin', '-keyform', 'DER', '-inkey', c.path('public'), '-in',
                    c.path('octets'), '-sigfile', c.path('signature'))

    def test_edited_cluster_document_is_not_used_and_said(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            c.stop('sin')
            with open(c.path('cluster.yaml')) as old, open(c.path('edited.yaml'), 'w') as edited:
                edited.write(old.read() + '# a harmless remark\n')
            c.edit('sin', lambda text: text.replace('../cluster.yaml', '../edited.yaml'))
            code, said = c.check('sin')
            self.assertEqual(code, 2, said)
            self.assertIn('another document of epoch 1 than the one that is in force', said)
            c.start('sin')
            wait_for('sin says so', lambda: c.health('sin')[0] == 1 and 'it is not used' in c.reasons('sin'))
            wait_for('sin serves what it had', lambda: c.marker('sin') == 'one')
            c.stop('sjc')  # no quorum without sin, which votes by the document that it keeps
            c.write_zone(small_zone(2, 'two'))
            c.wait_marker('two', ['zrh', 'sin'])


if __name__ == '__main__':
    cluster.main()
