"""Goal: what an operator orders at one site holds at all of them, with his name and reason in every status, and through restarts;
a stranger's order, a forged or an old one changes nothing; a parked input goes where it is approved, and is forgotten where it is
rejected; a new generation lets serials go back; a site in maintenance authors nothing and raises no alarm.
Method: consignctl with the key that deploy/cluster.sh makes, at one socket; files put, sites stopped and killed; orders made by
hand and sent to the socket as any program could."""
import os
import re
import socket
import struct
import subprocess
import time
import unittest

import cluster
from cluster import COORDINATOR, SITES, Cluster, assert_matches, run, small_zone, wait_for

HOLD = 1


class Orders(unittest.TestCase):
    def order(self, c, site, *words, reason='a test', key=None, code=0):
        """consignctl's order at a site; its exit status must be `code`. What it says."""
        done = c.ctl(site, *words, '--reason', reason, '--cluster', c.path('cluster.yaml'), '--key',
                     key or c.path('operator', 'duty.key'))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def wait_zone(self, c, site, name, value):
        """Until the site's status of the zone says so."""
        wait_for(f'{name} {value} at {site}', lambda: (zone := c.zone_status(site)) and zone[name] == value)

    def wait_well(self, c):
        for site in SITES:
            wait_for(f'health 0 at {site}', lambda: c.health(site)[0] == 0)

    def wait_order(self, c, order, sites=SITES, **fields):
        """Until each site shows this order in force; its row at the last one."""
        def shown(site):
            zone = c.zone_status(site)
            rows = [row for row in zone['orders'] if row['order'] == order] if zone else []
            return rows and rows[0]['in_force'] and all(rows[0][name] == value for name, value in fields.items()) and rows[0]
        return [wait_for(f'{order} at {site}', lambda: shown(site)) for site in sites][-1]

    def assert_only_resumed(self, c):
        for site in SITES:
            self.assertEqual([row['order'] for row in wait_for('status', lambda: c.zone_status(site))['orders']], ['resume'])

    # ---- made by hand

    def make_key(self, c, name):
        path = c.path(name)
        run('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', path)
        os.chmod(path, 0o600)
        return path

    def body(self, c, kind, number, reason=b'by hand'):
        """An order of this kind as docs/PROTOCOL.md, 2 has it."""
        with open(c.path('cluster.yaml')) as file:
            cluster_id = bytes.fromhex(re.search(r'^id: (\w+)', file.read(), re.M)[1])
        return (cluster_id + bytes([1, kind]) + cluster.to_wire(c.origin) + struct.pack('>HQ', 0, number) + bytes(48) +
                struct.pack('>IB', 0, len(reason)) + reason)

    def sign(self, c, key, signer, body):
        digest = cluster.hashlib.sha384(body).digest()
        octets = b'consign order v1\0' + struct.pack('>HI', signer, 0) + digest
        path = c.path('octets')
        with open(path, 'wb') as file:
            file.write(octets)
        return subprocess.run(['openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', key, '-in', path], capture_output=True,
                              check=True).stdout

    def send(self, c, site, signer, body, signature):
        """The reply's (code, reason) to an order request of proto/control.proto."""
        def field(number, octets):
            return varint(number << 3 | 2) + varint(len(octets)) + octets

        def varint(value):
            octets = b''
            while value > 127:
                octets, value = octets + bytes([value & 127 | 128]), value >> 7
            return octets + bytes([value])
        request = b'\x08\x01' + field(4, b'\x08' + varint(signer) + field(2, body) + field(3, signature))
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(10)
            stream.connect(c.path(site, 'control.sock'))
            stream.sendall(struct.pack('>I', len(request)) + request)
            reply = cluster._receive(stream, struct.unpack('>I', cluster._receive(stream, 4))[0])
        code = reply[1] >> 1 if reply[1] % 2 == 0 else -(reply[1] + 1 >> 1)
        return code, reply.decode(errors='replace')

    # ---- the tests

    def test_a_hold_at_one_socket_holds_all_sites_until_it_is_resumed(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            self.check_hold(c)
            self.check_restart(c)
            self.check_resume(c)
            self.check_strangers(c)
            self.check_replay(c)

    def check_hold(self, c):
        said = self.order(c, 'sjc', 'zone', 'hold', 'xc', reason='registrar lock is lifted')
        assert_matches(r'xc\. hold: known at [23] of 3 sites, in force', said, 'consignctl')
        row = self.wait_order(c, 'hold', operator='duty', reason='registrar lock is lifted', known=3)
        self.hold = row['number']
        for site in SITES:
            self.wait_zone(c, site, 'state', 'held')
            code, line = c.health(site)
            self.assertEqual(code, 1, line)
            assert_matches(r'DEGRADED - xc\. held by duty since \d{4}-[^ ]+: registrar lock is lifted;', line, site)
            assert_matches(r'\n +HELD by duty since [^ ]+: registrar lock is lifted \(known at 3 of 3\s+sites, in force\)',
                           c.ctl(site, 'status').stdout, site)
        self.wait_zone(c, COORDINATOR, 'state', 'held')
        self.assertIn('xc. held by an operator: ', c.reasons(COORDINATOR))
        serial = c.serial('zrh')
        c.write_zone(small_zone(2, 'two'))
        for site in SITES:
            self.wait_zone(c, site, 'pending_input', {'generation': 1, 'serial': 2})
        time.sleep(5)  # that nothing happens takes time: a release takes less than one second of it
        self.assertEqual({c.serial(site) for site in SITES}, {serial})
        self.assertEqual({c.marker(site) for site in SITES}, {'one'})

    def check_restart(self, c):
        c.kill('sin')
        c.stop('zrh')
        c.start('sin', 'zrh')
        for site in SITES:
            row = self.wait_order(c, 'hold', [site], operator='duty')
            self.assertEqual(row['number'], self.hold)
        c.wait_marker('one')

    def check_resume(self, c):
        said = self.order(c, 'zrh', 'zone', 'resume', 'xc.', reason='done')
        assert_matches(r'xc\. resume: known at [23] of 3 sites, in force', said, 'consignctl')
        c.wait_marker('two')
        self.wait_well(c)
        self.assert_only_resumed(c)
        c.assert_same_everywhere()

    def check_strangers(self, c):
        key = self.make_key(c, 'stranger.key')
        said = self.order(c, 'zrh', 'zone', 'hold', 'xc.', key=key, code=1)
        self.assertIn('not the key of an operator', said)
        now = int(time.time() * 1e6)
        body = self.body(c, HOLD, now)
        duty = c.path('operator', 'duty.key')
        for signer, octets, signature, expected in [
                (1, self.body(c, HOLD, now + 1200 * 10**6), None, 'signed at .*clock says .*mend the clock'),
                (1, body, self.sign(c, key, 1, body), "the signature is not of operator duty's key"),
                (2, body, self.sign(c, key, 2, body), 'operator 2 is not in this site.s cluster document'),
                (1, body[:-1] + b'X', self.sign(c, duty, 1, body), "the signature is not of operator duty's key"),
                (1, body[:40], self.sign(c, duty, 1, body[:40]), 'the order is malformed'),
                (1, bytes([body[0] ^ 1]) + body[1:], None, 'for another cluster or environment'),
                (1, body.replace(b'\2xc', b'\2xd'), None, r'xd\.: not a zone of this node'),
                (1, body.replace(bytes([1, HOLD]), bytes([1, 3]), 1).replace(b'\0\0' + struct.pack('>Q', now),
                                                                            b'\0\x09' + struct.pack('>Q', now)), None,
                 'no site 9 in this site.s')]:
            code, reply = self.send(c, 'sjc', signer, octets, signature or self.sign(c, duty, 1, octets))
            self.assertLess(code, 0, reply)
            assert_matches(expected, reply, 'refusal')
        self.assert_only_resumed(c)

    def check_replay(self, c):
        """The old hold again, well signed: the resume is newer."""
        body = self.body(c, HOLD, self.hold, b'registrar lock is lifted')
        code, reply = self.send(c, 'sjc', 1, body, self.sign(c, c.path('operator', 'duty.key'), 1, body))
        self.assertLess(code, 0, reply)
        assert_matches('a newer order stands: resume, ordered by duty', reply, 'replay')
        c.write_zone(small_zone(3, 'three'))
        c.wait_marker('three')
        # And one that is newer is taken, so that it was the number; also where that machine's clock is some minutes ahead.
        body = self.body(c, HOLD, int(time.time() * 1e6) + 500 * 10**6)
        code, reply = self.send(c, 'sjc', 1, body, self.sign(c, c.path('operator', 'duty.key'), 1, body))
        self.assertEqual(code, 0, reply)
        self.wait_order(c, 'hold', reason='by hand')

    def test_a_hold_that_one_site_knows_is_not_in_force(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            c.stop('sjc', 'sin')
            said = self.order(c, 'zrh', 'zone', 'hold', 'xc.', code=5)
            assert_matches(r'xc\. hold: known at 1 of 3 sites, not in force yet', said, 'consignctl')
            self.assertIn('goes to the other sites as soon as they can be reached', said)
            c.start('sjc', 'sin')
            self.wait_order(c, 'hold')
            c.stop('zrh')
            self.assertEqual(self.order(c, 'zrh', 'zone', 'resume', 'xc.', code=3).count('no daemon listens'), 1)

    def test_a_parked_input_is_approved_or_rejected(self):
        with Cluster(small_zone(1, 'one')) as c:
            c.start()
            c.wait_marker('one')
            other = ('a.nic', 'c.nic')
            c.write_zone(small_zone(2, 'two', apex_ns=other, extra='c.nic IN A 192.0.2.9\n'))
            for site in SITES:
                wait_for(f'parked at {site}', lambda: c.parked(site))
                assert_matches('^apex-ns: ', c.parked(site)[0], site)
            self.assertIn('no input with serial 7 is parked', self.order(c, 'sin', 'zone', 'approve', 'xc.', '7', code=1))
            self.assertEqual({c.marker(site) for site in SITES}, {'one'})
            self.order(c, 'sin', 'zone', 'approve', 'xc.', '2', reason='new name server')
            c.wait_marker('two')
            self.wait_well(c)
            c.assert_same_everywhere()
            self.check_rejection(c, other)
            self.check_generation(c, other)

    def wait_rejected(self, c, site):
        wait_for(f'rejected at {site}', lambda: 'input 3 REJECTED by duty since' in c.ctl(site, 'status').stdout)

    def check_rejection(self, c, other):
        c.write_zone(small_zone(3, 'three', apex_ns=other, names=8, extra='c.nic IN A 192.0.2.9\n'))
        for site in SITES:
            wait_for(f'parked at {site}', lambda: c.parked(site))
            assert_matches('^shrink-records: ', c.parked(site)[0], site)
        self.order(c, 'zrh', 'zone', 'reject', 'xc.', '3', reason='cut by mistake')
        for site in SITES:
            self.wait_zone(c, site, 'parked', [])
            self.wait_rejected(c, site)
        self.wait_well(c)
        c.kill('sin')
        c.start('sin')
        wait_for('sin has read its file', lambda: len(c.log_lines('sin', 'input.rejected')) >= 2)
        wait_for('sin is well', lambda: c.health('sin')[0] == 0)
        self.wait_zone(c, 'sin', 'parked', [])
        self.assertEqual(c.marker('zrh'), 'two')
        self.wait_rejected(c, 'sin')
        self.order(c, 'sin', 'zone', 'approve', 'xc.', '3', reason='no mistake after all')
        c.wait_marker('three')
        self.assertNotIn('REJECTED', c.ctl('zrh', 'status').stdout)
        c.write_zone(small_zone(4, 'four', apex_ns=other, extra='c.nic IN A 192.0.2.9\n'))
        c.wait_marker('four')

    def check_generation(self, c, other):
        c.write_zone(small_zone(2, 'again', apex_ns=other, extra='c.nic IN A 192.0.2.9\n'))
        for site in SITES:
            wait_for(f'parked at {site}', lambda: c.parked(site))
            assert_matches('^serial-back: ', c.parked(site)[0], site)
        assert_matches('approving does not help here: serial-back', self.order(c, 'zrh', 'zone', 'approve', 'xc.', '2', code=4), '')
        c.stop('sjc')
        self.order(c, 'zrh', 'zone', 'generation', 'xc.', '2', reason='the registry was rebuilt')
        c.wait_marker('again', ['zrh', 'sin'])
        c.start('sjc')
        c.wait_marker('again')
        for site in SITES:
            self.wait_zone(c, site, 'input', {'generation': 2, 'serial': 2})
        self.wait_well(c)
        self.assertIn('at generation 2 already', self.order(c, 'zrh', 'zone', 'generation', 'xc.', '2', code=4))
        for site in SITES:
            c.kill(site)
        c.start(*SITES)
        c.write_zone(small_zone(3, 'after', apex_ns=other, extra='c.nic IN A 192.0.2.9\n'))
        c.wait_marker('after')
        self.wait_zone(c, 'zrh', 'input', {'generation': 2, 'serial': 3})
        c.assert_same_everywhere()

    def release_until(self, c, serial, what, condition):
        """Releases inputs from this serial on until the condition holds: who was not ready for one round is in the next."""
        for serial in range(serial, serial + 10):
            c.write_zone(small_zone(serial, f'v{serial}'))
            c.wait_marker(f'v{serial}')
            if condition():
                return serial + 1
        raise AssertionError(f'{what}: not in ten releases')

    def test_a_site_in_maintenance_authors_nothing_and_raises_no_alarm(self):
        with Cluster(small_zone(1, 'v1')) as c:
            c.start()
            c.wait_marker('v1')
            serial = self.release_until(c, 2, 'sin is an author', lambda: c.log_lines('sin', ' round.sign '))
            said = self.order(c, 'zrh', 'maintenance', 'on', 'sin', reason='new disks')
            assert_matches(r'xc\. maintenance on of sin: known at [23] of 3 sites, in force', said, 'consignctl')
            self.wait_order(c, 'maintenance on', site='sin', reason='new disks', known=3)
            serial = self.release_until(c, serial, 'a round proposed since then', lambda: True)
            signed = len(c.log_lines('sin', ' round.sign '))
            for _ in range(2):
                serial = self.release_until(c, serial, 'a release', lambda: True)
            self.assertEqual(len(c.log_lines('sin', ' round.sign ')), signed)
            wait_for('zrh is well', lambda: c.health('zrh')[0] == 0)
            assert_matches(r'\n +MAINTENANCE of sin by duty since [^ ]+: new disks', c.ctl('sjc', 'status').stdout, 'status')
            c.stop('sin')
            for site in ('zrh', 'sjc', COORDINATOR):
                wait_for(f'{site} misses sin', lambda: (row := c.site_status(site, 'sin')) and row['state'] == 'unreachable' and
                         row['maintenance'])
                wait_for(f'{site} is well all the same', lambda: c.health(site)[0] == 0)
                assert_matches(r'\nsin +signer( \*)? +UNREACHABLE \(maintenance\) ', c.ctl(site, 'status').stdout, site)
            self.order(c, 'sjc', 'maintenance', 'off', 'sin', reason='disks are in')
            for site in ('zrh', 'sjc'):
                wait_for(f'{site} is alarmed', lambda: c.health(site)[0] == 1)
            c.start('sin')
            wait_for('zrh is well', lambda: c.health('zrh')[0] == 0)
            self.wait_order(c, 'maintenance off', known=3)
            self.release_until(c, serial, 'sin signs again', lambda: len(c.log_lines('sin', ' round.sign ')) > signed)


if __name__ == '__main__':
    cluster.main()
