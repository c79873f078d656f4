"""Goal: no fault of one site's HSM gets out of that site or stops the release: the site authors nothing, says why, and (where it
can tell good from bad) still verifies and votes.
Method: tokens with the wrong key, PIN or file mode; and p11wrap, a PKCS#11 module that misbehaves on demand."""
import base64
import os
import struct
import unittest

import cluster
import many_zones
from cluster import ROOT, SITES, Cluster, assert_matches, run, small_zone, support, wait_for

KEYS = os.path.join(ROOT, 'tests', 'data', 'keys')


def public_rdata(pem):
    """The DNSKEY RDATA of a P-256 ZSK."""
    spki = cluster.subprocess.run(['openssl', 'pkey', '-in', pem, '-pubout', '-outform', 'DER'], capture_output=True,
                                  check=True).stdout
    return struct.pack('>HBB', 256, 3, 13) + spki[-64:]


def key_tag(rdata):
    """RFC 4034 appendix B."""
    total = sum(octet << 8 if i % 2 == 0 else octet for i, octet in enumerate(rdata))
    return (total + (total >> 16)) & 0xffff


def import_key(c, site, pem, label):
    with open(c.path(site, 'pin')) as file:
        pin = file.read().strip()
    run('softhsm2-util', '--import', pem, '--token', site, '--label', label, '--id', 'c0de', '--pin', pin,
        env={**os.environ, 'SOFTHSM2_CONF': c.path(site, 'softhsm2.conf')})


def use_zsk(c, pem_of_site, published):
    """The sites' tokens get these keys under one label; the key set publishes one of them."""
    rdata = public_rdata(published)
    for site, pem in pem_of_site.items():
        import_key(c, site, pem, 'shared')
        c.edit(site, lambda text: text.replace('{key: zsk, label: zsk}', '{key: zsk, label: shared}'))
    dnskey = f'256 3 13 {base64.b64encode(rdata[4:]).decode()}'
    c.edit('keyset.yaml', lambda text: ''.join(
        f'  - {{name: zsk, dnskey: "{dnskey}"}}\n' if '{name: zsk' in line else line for line in text.splitlines(True)))


def wrap(c, site, deadline='2s'):
    """Puts p11wrap before the site's token; returns a function that sets its fault."""
    control = c.path(site, 'fault')

    def set_fault(fault):
        with open(control + '.new', 'w') as file:
            file.write(fault + '\n')
        os.rename(control + '.new', control)
    set_fault('none')

    def change(text):
        lines = []
        for line in text.splitlines(True):
            if line.strip().startswith('module: '):
                real, line = line.split(': ', 1)[1].strip(), f'  module: {support("p11wrap.so")}\n'
            elif line.strip().startswith('deadline: '):
                line = f'  deadline: {deadline}\n'
            lines.append(line)
            if line.strip() == 'environment:':
                lines.append(f'    P11WRAP_MODULE: {real}\n    P11WRAP_CONTROL: {control}\n'
                             f'    P11WRAP_TRACE: {c.path(site, "logins")}\n')
        return ''.join(lines)
    c.edit(site, change)
    return set_fault


def logins(c, site):
    try:
        with open(c.path(site, 'logins')) as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


class HsmFaults(unittest.TestCase):
    def check_others_release(self, c, site, serial):
        """The next input is released by all, the faulty site included."""
        c.write_zone(small_zone(serial, f'v{serial}'))
        c.wait_marker(f'v{serial}')
        c.assert_same_everywhere()
        self.assertIsNotNone(c.serial(site))

    def check_still_votes(self, c, site, other, serial):
        """With a third site stopped, no quorum is possible without the faulty site's vote."""
        c.stop(other)
        rest = [name for name in SITES if name != other]
        c.write_zone(small_zone(serial, f'v{serial}'), rest)
        c.wait_marker(f'v{serial}', rest)
        signers = [signer['name'] for signer in c.cert(rest[0])['signers']]
        self.assertEqual(signers, rest)

    def check_wrong_key(self, c, tag):
        c.start()
        c.wait_marker('v1')
        reasons = wait_for('sin says why', lambda: (r := c.reasons('sin')) and 'another key' in r and r)
        self.assertIn(f'tag {tag}', reasons)
        self.assertEqual(c.health('sin')[0], 2)
        self.assertIn('wrong key', c.site_status('sin', 'sin')['hsm'])
        wait_for('zrh shows it', lambda: c.site_status('zrh', 'sin')['hsm'] == 'bad')
        self.assertEqual(c.health('zrh')[0], 1)
        self.assertTrue(c.log_lines('sin', 'hsm.wrong-key'))
        self.check_others_release(c, 'sin', 2)
        self.assertEqual(c.log_lines('sin', 'round.signed'), [])
        self.check_still_votes(c, 'sin', 'sjc', 3)

    def test_other_key_with_the_same_label_and_tag_neither_signs_nor_stops_the_release(self):
        good, bad = (os.path.join(KEYS, f'zsk-same-tag-{which}.pem') for which in 'ab')
        tags = {key_tag(public_rdata(pem)) for pem in (good, bad)}
        self.assertEqual(len(tags), 1)
        with Cluster(small_zone(1, 'v1')) as c:
            use_zsk(c, {'zrh': good, 'sjc': good, 'sin': bad}, good)
            self.check_wrong_key(c, tags.pop())

    def test_other_key_with_the_same_label_neither_signs_nor_stops_the_release(self):
        good = os.path.join(KEYS, 'zsk-same-tag-a.pem')
        with Cluster(small_zone(1, 'v1')) as c:
            bad = c.path('other.pem')
            run('openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', bad)
            use_zsk(c, {'zrh': good, 'sjc': good, 'sin': bad}, good)
            self.check_wrong_key(c, key_tag(public_rdata(good)))

    def check_fault_while_running(self, c, set_fault, fault, reason):
        c.start()
        c.wait_marker('v1')
        set_fault(fault)
        self.check_others_release(c, 'sin', 2)
        wait_for('sin says why', lambda: c.health('sin')[0] > 0 or None)
        assert_matches(reason, wait_for('reasons', lambda: c.reasons('sin')), 'reasons at sin')
        wait_for('zrh shows it', lambda: c.site_status('zrh', 'sin')['hsm'] == 'bad')
        self.check_others_release(c, 'sin', 3)
        set_fault('none')
        wait_for('the HSM of sin is good again', lambda: c.site_status('zrh', 'sin')['hsm'] == 'ok')
        self.check_others_release(c, 'sin', 4)
        wait_for('health 0', lambda: all(c.health(site)[0] == 0 for site in SITES))

    def test_wrong_signatures_of_one_hsm_are_never_released(self):
        with Cluster(small_zone(1, 'v1')) as c:
            self.check_fault_while_running(c, wrap(c, 'sin'), 'wrong-signature', 'signatures do not verify')

    def test_an_hsm_that_never_answers_is_left_out(self):
        with Cluster(small_zone(1, 'v1')) as c:
            self.check_fault_while_running(c, wrap(c, 'sin'), 'hang', 'no answer within|deadline|HSM')

    def test_an_hsm_that_fails_each_time_is_left_out(self):
        with Cluster(small_zone(1, 'v1')) as c:
            self.check_fault_while_running(c, wrap(c, 'sin'), 'device-error', 'DEVICE_ERROR|device error|HSM')

    def test_a_worker_that_dies_is_started_again(self):
        with Cluster(small_zone(1, 'v1')) as c:
            c.start()
            c.wait_marker('v1')
            old = wait_for('a worker', lambda: c.worker('sin'))
            os.kill(old, cluster.signal.SIGKILL)
            wait_for('another worker', lambda: c.worker('sin') not in (None, old))
            self.check_others_release(c, 'sin', 2)
            wait_for('health 0', lambda: all(c.health(site)[0] == 0 for site in SITES))

    def test_a_lost_session_is_opened_again_and_nothing_else_happens(self):
        with Cluster(small_zone(1, 'v1')) as c:
            set_fault = wrap(c, 'sin')
            c.start()
            c.wait_marker('v1')
            set_fault('session-lost')
            self.check_others_release(c, 'sin', 2)
            wait_for('health 0', lambda: all(c.health(site)[0] == 0 for site in SITES))
            self.assertEqual(c.log_lines(cluster.COORDINATOR, 'author-out'), [])

    def test_a_hanging_worker_goes_with_its_node(self):
        with Cluster(small_zone(1, 'v1')) as c:
            set_fault = wrap(c, 'sin', deadline='60s')
            set_fault('hang')
            c.start('sin')
            worker = wait_for('a worker', lambda: c.worker('sin'))
            process = c.processes['sin']
            wait_for('the worker is busy', lambda: logins(c, 'sin') > 0)
            process.child.kill()
            wait_for('the worker has gone', lambda: not is_running(worker))

    def test_a_wrong_pin_is_tried_once_and_said(self):
        with Cluster(small_zone(1, 'v1')) as c:
            many_zones.add(c, 4)
            wrap(c, 'sin')
            with open(c.path('sin', 'pin'), 'w') as file:
                file.write('73519462\n')
            c.start()
            c.wait_marker('v1')
            hsm = wait_for('sin says why', lambda: (row := c.site_status('sin', 'sin')) and 'PIN' in (row['hsm'] or '') and
                           row['hsm'])
            self.assertIn(c.path('sin', 'pin'), c.reasons('sin') + hsm)
            self.assertEqual(c.reasons('sin').count('HSM: '), 1, c.reasons('sin'))
            assert_matches(r'sin: 5 zones \(xc\., z00000\.many\., z00001\.many\. and others\): HSM: PIN refused: ', c.reasons('sin'), 'reasons')
            self.assertGreaterEqual(c.health('sin')[0], 1)
            for observer in ('zrh', cluster.COORDINATOR):
                wait_for(f'{observer} says so', lambda: 'sin: its HSM cannot sign; see' in (c.reasons(observer) or ''))
            page = ' '.join(c.ctl('zrh', 'zone', 'status', 'xc.', '--explain').stdout.split())
            self.assertIn('mend the HSM or the keys of sin, which cannot sign', page)
            self.check_others_release(c, 'sin', 2)
            self.check_still_votes(c, 'sin', 'sjc', 3)
            self.assertEqual(logins(c, 'sin'), 1)
            for site in SITES:
                self.assertNotIn('73519462', c.log(site))

    def test_a_missing_key_is_named(self):
        with Cluster(small_zone(1, 'v1')) as c:
            c.edit('sin', lambda text: text.replace('{key: zsk, label: zsk}', '{key: zsk, label: nowhere}'))
            c.start()
            c.wait_marker('v1')
            assert_matches('key zsk.*"nowhere".*; bring it from another site', wait_for('reasons', lambda: c.reasons('sin')), 'reasons at sin')
            self.check_others_release(c, 'sin', 2)
            self.check_still_votes(c, 'sin', 'sjc', 3)

    def test_a_pin_file_that_others_can_read_is_refused(self):
        with Cluster(small_zone(1, 'v1')) as c:
            os.chmod(c.path('sin', 'pin'), 0o644)
            code, said = c.check('sin')
            self.assertEqual(code, 2, said)
            assert_matches(r'pin.*(0600|mode|0644)', said, 'consign-node --check')
            c.start('sin')
            self.assertEqual(c.exit_status('sin'), 2)
            os.chmod(c.path('sin', 'pin'), 0o600)
            self.assertEqual(c.check('sin'), (0, ''))


def is_running(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


if __name__ == '__main__':
    cluster.main()
