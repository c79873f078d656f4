"""Goal: real secondaries get each release by TSIG AXFR or IXFR after NOTIFY, record for record, and a real resolver validates answers through them.
Method: NSD and Knot with all three sites as primaries, Knot checking DNSSEC itself; an Unbound before each of them with the
zone's DS as trust anchor. The zone's SOA REFRESH is two hours, so that only NOTIFY can bring a change in time."""
import re
import shlex
import signal
import unittest

import cluster
from cluster import SITES, Cluster, find_tool, free_port, run, small_zone, wait_for

NSD_CONF = '''server:
  ip-address: 127.0.0.1@{port}
  username: ""
  database: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: ""
  server-count: 1
  verbosity: 2
remote-control:
  control-enable: no
key:
  name: demo-key
  algorithm: hmac-sha256
  secret: "{secret}"
zone:
  name: xc.
  zonefile: xc.signed
  allow-notify: 127.0.0.1 demo-key
  provide-xfr: 127.0.0.1 NOKEY
{masters}
'''

KNOT_CONF = '''server:
  listen: 127.0.0.1@{port}
  rundir: {folder}
database:
  storage: {folder}
log:
  - target: stderr
    any: info
key:
  - id: demo-key
    algorithm: hmac-sha256
    secret: {secret}
remote:
{masters}
acl:
  - id: notify
    address: 127.0.0.1
    key: demo-key
    action: notify
  - id: transfer
    address: 127.0.0.1
    action: transfer
zone:
  - domain: xc.
    storage: {folder}
    master: [{names}]
    acl: [notify, transfer]
    dnssec-validation: on
    zonefile-load: none
    zonefile-sync: -1
'''

UNBOUND_CONF = '''server:
  interface: 127.0.0.1@{port}
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  verbosity: 1
  num-threads: 1
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor: "{anchor}"
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
remote-control:
  control-enable: no
stub-zone:
  name: xc.
  stub-addr: 127.0.0.1@{upstream}
'''


NSD_PRIMARY_CONF = '''server:
  ip-address: 127.0.0.1@{port}
  username: ""
  database: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: ""
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: xc.
  zonefile: xc.signed
  provide-xfr: 127.0.0.1 NOKEY
'''


def dig(port, *words):
    """(rcode, flags, the whole answer)."""
    said = run('dig', '@127.0.0.1', '-p', str(port), '+tries=1', '+time=5', '+dnssec', *words, check=False).stdout
    status, flags = re.search(r'status: (\w+)', said), re.search(r'flags: ([a-z ]+);', said)
    return (status and status[1]), (flags[1].split() if flags else []), said


class Secondaries(unittest.TestCase):
    def configure(self, c, name, template, **values):
        folder = c.path(name)
        cluster.os.mkdir(folder)
        port = free_port()
        with open(c.path(name, 'conf'), 'w') as file:
            file.write(template.format(port=port, folder=folder, secret=self.secret(c), **values))
        return port

    def secret(self, c):
        return cluster.base64.b64encode(c.key[1]).decode()

    def start_nsd(self, c):
        masters = '\n'.join(f'  request-xfr: 127.0.0.1@{c.ports[site, "xfr"]} demo-key' for site in SITES)
        port = self.configure(c, 'nsd', NSD_CONF, masters=masters)
        run(find_tool('nsd-checkconf'), c.path('nsd', 'conf'))
        c.spawn(find_tool('nsd'), '-d', '-c', c.path('nsd', 'conf'), log=c.path('nsd', 'log'))
        return port

    def start_knot(self, c):
        masters = '\n'.join(f'  - id: {site}\n    address: 127.0.0.1@{c.ports[site, "xfr"]}\n    key: demo-key' for site in SITES)
        port = self.configure(c, 'knot', KNOT_CONF, masters=masters, names=', '.join(SITES))
        run(find_tool('knotc'), '-c', c.path('knot', 'conf'), 'conf-check')
        c.spawn(find_tool('knotd'), '-c', c.path('knot', 'conf'), log=c.path('knot', 'log'))
        return port

    def start_unbound(self, c, name, upstream, anchor):
        port = self.configure(c, name, UNBOUND_CONF, upstream=upstream, anchor=anchor)
        run(find_tool('unbound-checkconf'), c.path(name, 'conf'))
        c.spawn(find_tool('unbound'), '-d', '-c', c.path(name, 'conf'), log=c.path(name, 'log'))
        wait_for(f'{name} answers', lambda: dig(port, 'xc.', 'SOA')[0])
        return port

    def serial_at(self, port):
        said = run('dig', '@127.0.0.1', '-p', str(port), '+short', '+tries=1', '+time=2', 'xc.', 'SOA', check=False).stdout.split()
        return int(said[2]) if len(said) == 7 else None

    def check_answers(self, port):
        """What a validating resolver must say with AD: a positive answer, an alias, a referral's DS, and two kinds of denial."""
        for words, rcode in ((('a.nic.xc', 'A'), 'NOERROR'), (('www.nic.xc', 'A'), 'NOERROR'), (('d000.xc', 'DS'), 'NOERROR'),
                             (('nope.xc', 'A'), 'NXDOMAIN'), (('a.nic.xc', 'MX'), 'NOERROR'), (('d001.xc', 'DS'), 'NOERROR')):
            got, flags, said = wait_for(f'{words} answered', lambda: (a := dig(port, *words))[0] == rcode and a)
            self.assertEqual(got, rcode, said)
            self.assertIn('ad', flags, said)

    def start_with_secondaries(self, c):
        """A cluster that tells an NSD and a Knot; their ports."""
        nsd, knot = self.start_nsd(c), self.start_knot(c)
        targets = ', '.join(f'{{to: 127.0.0.1@{port}, key: demo-key}}' for port in (nsd, knot))
        for site in SITES:
            c.edit(site, lambda text: text.replace('log:\n', f'  notify: [{targets}]\nlog:\n'))
        c.start()
        c.wait_marker('one')
        self.follow(c, nsd, knot)
        return nsd, knot

    def test_secondaries_follow_each_release_and_answers_validate(self):
        for tool in ('nsd', 'nsd-checkconf', 'knotd', 'unbound', 'unbound-checkconf', 'dig'):
            find_tool(tool)
        with Cluster(small_zone(1, 'one')) as c:
            nsd, knot = self.start_with_secondaries(c)
            anchor = c.ds()
            for name, upstream in (('unbound-nsd', nsd), ('unbound-knot', knot)):
                self.check_answers(self.start_unbound(c, name, upstream, anchor))
            self.check_change(c, nsd, knot)
            self.check_late_site(c, nsd)
            lead = self.check_moved_lead(c, nsd)
            self.check_without_lead(c, nsd, knot)
            self.check_lead_back(c, lead)
            self.check_wrong_anchor(c, nsd, anchor)

    def follow(self, c, nsd, knot):
        """Until both secondaries hold the release, record for record."""
        serial = c.wait_released()
        for name, port in (('nsd', nsd), ('knot', knot)):
            wait_for(f'{name} serves {serial}', lambda: self.serial_at(port) == serial)
            self.assertEqual(c.transfer(port).content, c.zone('zrh').content, f'what {name} holds of {serial}')

    def check_change(self, c, nsd, knot):
        c.write_zone(small_zone(2, 'two'))
        c.wait_marker('two')
        self.follow(c, nsd, knot)
        for port in (nsd, knot):
            self.assertIn('"two"', dig(port, 'marker.xc', 'TXT')[2])
        for serial, change, more in ((3, 'names more', 2), (4, 'none of them', 0)):
            c.write_zone(small_zone(serial, change, extra=''.join(f'more{i} IN NS ns.d00{i}\n' for i in range(more))))
            c.wait_marker(change)
            self.follow(c, nsd, knot)
        self.assertTrue(any(c.log_lines(site, ': AXFR,') for site in SITES))
        sent = [line for site in SITES for line in c.log_lines(site, 'xfr.sent') if ': IXFR from ' in line]
        self.assertGreaterEqual(len(sent), 6, 'both got each change as a difference')
        with open(c.path('knot', 'log')) as file:
            self.assertIn('DNSSEC', file.read())

    def check_late_site(self, c, nsd):
        """A secondary may ask a primary that has nothing newer yet: it is told again once every site that is heard serves."""
        lead = next(row['name'] for row in c.status('zrh')['sites'] if row['leads'])
        late = next(site for site in SITES if site != lead)
        c.processes[late].child.send_signal(signal.SIGSTOP)
        c.write_zone(small_zone(5, 'late'))
        c.wait_marker('late', [site for site in SITES if site != late])
        serial = c.serial(lead)
        told = f'notify.answered zone xc. serial {serial} to 127.0.0.1@{nsd}'
        wait_for('the secondary is told', lambda: c.log_lines(lead, told))
        c.processes[late].child.send_signal(signal.SIGCONT)
        c.wait_marker('late')
        wait_for('the secondary is told again', lambda: len(c.log_lines(lead, told)) >= 2)

    def lead(self, c, at):
        return (c.zone_status(at) or {}).get('lead')

    def check_moved_lead(self, c, nsd):
        """An operator moves the lead to another site: that one tells the secondaries of the next release."""
        lead = next(site for site in reversed(SITES) if site != self.lead(c, 'zrh'))
        done = c.ctl('zrh', 'authority', 'move', 'xc.', lead, '--reason', 'work on a line', '--cluster', c.path('cluster.yaml'),
                     '--key', c.path('operator', 'duty.key'))
        cluster.assert_matches(rf'xc\. authority of {lead}: known at [23] of 3 sites, in force', done.stdout, done.stderr)
        for site in SITES:
            wait_for(f'{lead} leads, says {site}', lambda: self.lead(c, site) == lead)
        cluster.assert_matches(rf'\n +AUTHORITY of {lead} by duty since [^ ]+: work on a line ', c.ctl('zrh', 'status').stdout, 'status')
        c.write_zone(small_zone(6, 'moved'))
        c.wait_marker('moved')
        told = f'notify.answered zone xc. serial {c.serial(lead)} to 127.0.0.1@{nsd}'
        wait_for(f'{lead} tells the secondary', lambda: c.log_lines(lead, told))
        wait_for('the secondary follows', lambda: self.serial_at(nsd) == c.serial(lead))
        return lead

    def check_lead_back(self, c, lead):
        """The order stands: the site leads again when it is back."""
        c.start(lead)
        for site in SITES:
            wait_for(f'{lead} leads again, says {site}', lambda: self.lead(c, site) == lead)

    def check_without_lead(self, c, nsd, knot):
        """The site that notified is stopped: another one takes over."""
        lead = next(row['name'] for row in c.status('sin')['sites'] if row['leads'])
        c.stop(lead)
        rest = [site for site in SITES if site != lead]
        c.write_zone(small_zone(7, 'three'))
        c.wait_marker('three', rest)
        serial = c.wait_released(rest)
        for name, port in (('nsd', nsd), ('knot', knot)):
            wait_for(f'{name} serves {serial} without {lead}', lambda: self.serial_at(port) == serial)

    def check_wrong_anchor(self, c, upstream, anchor):
        """That validation means something: with another DS the same answers are bogus."""
        wrong = anchor[:-2] + ('00' if anchor[-2:] != '00' else '11')
        port = self.start_unbound(c, 'unbound-wrong', upstream, wrong)
        self.assertEqual(dig(port, 'a.nic.xc', 'A')[0], 'SERVFAIL')

    def order(self, c, site, *words, code=0):
        done = c.ctl(site, *words, '--reason', 'a test', '--cluster', c.path('cluster.yaml'), '--key', c.path('operator', 'duty.key'))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def wait_serial(self, c, serial, ports, sites=SITES):
        """Until these sites serve it, zrh has heard so, and the secondaries have it: then the next may be ordered at zrh."""
        for site in sites:
            wait_for(f'{site} serves {serial}', lambda: c.serial(site) == serial)
            wait_for(f'zrh knows of {site}', lambda: (row := c.site_status('zrh', site)) and row['released'].get('xc.') == serial)
        for port in ports:
            wait_for(f'the secondary at {port} serves {serial}', lambda: self.serial_at(port) == serial)

    def follow_advice(self, c):
        """What --explain says of a serial that is too far, word for word; the serial approved."""
        wait_for('the serial is an alarm', lambda: "the policy's serial" in (c.reasons('sjc') or ''))
        said = ' '.join(c.ctl('sjc', 'zone', 'status', 'xc.', '--explain').stdout.split())
        words = re.search(r'consignctl (zone approve-serial xc\. (\d+)) --reason TEXT --cluster FILE --key FILE', said)
        self.assertIsNotNone(words, said)
        cluster.assert_matches(r'xc\. approve-serial: known at [23] of 3 sites, in force', self.order(c, 'sjc', *shlex.split(words[1])), '')
        return int(words[2])

    def test_a_far_serial_is_approved_and_two_steps_lead_back(self):
        """The zone counted by one, the policy by seconds; then a serial is published far too high, and goes back round (RFC 1982)
        while one site is away for the first step."""
        high, half, meant = 2040010100, 4180493748, 2026112300
        with Cluster(small_zone(1, 'one')) as c:
            for site in SITES:
                c.edit(site, lambda text: text.replace('zones:\n  - zone: xc.\n', 'zones:\n  - zone: xc.\n    live-serial: 7\n'))
            ports = self.start_with_secondaries(c)
            self.wait_serial(c, 8, ports)
            serial = self.follow_advice(c)
            self.wait_serial(c, serial, ports)
            for site in SITES:
                wait_for(f'{site} is well', lambda: c.health(site)[0] == 0)
                self.assertNotIn('APPROVED', c.ctl(site, 'status').stdout)  # it is there
            self.check_withdrawn(c, ports, serial)
            self.order(c, 'zrh', 'zone', 'approve-serial', 'xc.', str(high))
            self.wait_serial(c, high, ports)
            said = self.order(c, 'zrh', 'zone', 'approve-serial', 'xc.', str(meant), code=4)
            self.assertIn(f'serial {meant} is not after {high}', said)
            self.order(c, 'zrh', 'zone', 'hold', 'xc.')
            self.order(c, 'zrh', 'zone', 'approve-serial', 'xc.', str(half))
            c.stop('sin')
            self.order(c, 'zrh', 'zone', 'resume', 'xc.')
            self.wait_serial(c, half, ports, ('zrh', 'sjc'))
            said = self.order(c, 'zrh', 'zone', 'approve-serial', 'xc.', str(half + 9), code=4)
            self.assertIn('sin does not know of this serial', said)
            self.assertIn(f'serial {half + 9} announced by duty since', c.ctl('zrh', 'status').stdout)
            self.order(c, 'zrh', 'zone', 'reject-serial', 'xc.')
            said = self.order(c, 'zrh', 'zone', 'approve-serial', 'xc.', str(meant), code=4)
            self.assertIn(f'sin has released serial {high}, which is after {meant}', said)
            c.start('sin')
            self.wait_serial(c, half, ports)
            self.order(c, 'zrh', 'zone', 'approve-serial', 'xc.', str(meant))
            self.wait_serial(c, meant, ports)
            for site in SITES:
                c.kill(site)
            c.start(*SITES)
            c.write_zone(small_zone(3, 'three'))
            c.wait_marker('three')
            self.wait_serial(c, meant + 1, ports)
            self.assertEqual(self.verify_served(c, '--server', f'127.0.0.1@{ports[0]}')[0], 0)

    def check_withdrawn(self, c, ports, serial):
        """What was approved while the zone is held, and withdrawn before it goes on, is not done."""
        self.order(c, 'zrh', 'zone', 'hold', 'xc.')
        self.order(c, 'zrh', 'zone', 'approve-serial', 'xc.', str(serial + 2**30))
        wait_for('sin shows it', lambda: f'serial {serial + 2**30} APPROVED by duty since' in c.ctl('sin', 'status').stdout)
        self.assertEqual({row['order']: row['serial'] for row in c.zone_status('sin')['orders']},
                         {'hold': None, 'approve-serial': serial + 2**30})
        self.order(c, 'zrh', 'zone', 'reject-serial', 'xc.')
        self.order(c, 'zrh', 'zone', 'resume', 'xc.')
        c.write_zone(small_zone(2, 'two'))
        c.wait_marker('two')
        self.assertLess(c.serial('zrh') - serial, 2**29)

    def set_clocks(self, c, seconds):
        for site in ('zrh', 'sjc'):
            with open(c.path(site, 'clock'), 'w') as file:
                file.write(str(seconds))

    def leap_ahead(self, c):
        """The clocks of a running quorum leap a year: nothing is released until they are back."""
        serial = c.serial('sin')
        for site in SITES:
            wait_for(f'{site} is well', lambda: c.health(site)[0] == 0)
        self.set_clocks(c, 365 * 86400)
        c.write_zone(small_zone(2, 'two'))
        for site in ('zrh', 'sjc'):
            wait_for(f'{site} says why', lambda: 'its wall clock went forward' in (c.reasons(site) or ''))
            self.assertEqual(c.site_status(site, site)['state'], 'halted')
        wait_for('no quorum is left', lambda: 'no quorum: 1 of 3' in (c.reasons('sin') or ''))
        self.assertEqual(c.serial('sin'), serial)
        self.set_clocks(c, 0)
        c.wait_marker('two')

    def release_ahead(self, c, nsd):
        """Two sites come up with clocks a year ahead, and release; then the clocks are mended."""
        c.stop('zrh', 'sjc')
        self.set_clocks(c, 365 * 86400)
        c.start('zrh', 'sjc')
        c.write_zone(small_zone(3, 'three'))
        c.wait_marker('three', ['sin'])
        self.set_clocks(c, 0)
        wait_for('nsd has it', lambda: self.serial_at(nsd) == c.serial('sin'))
        wait_for('knot does not', lambda: 'DNSSEC, validation failed' in c.log('knot'))

    def found_anew(self, c, serial):
        """As docs/OPERATING.md says, Signed ahead of the clocks."""
        c.stop(*c.names)
        fresh = cluster.os.urandom(16).hex()
        c.edit('cluster.yaml', lambda text: re.sub('^id: .*', f'id: {fresh}', text, flags=re.M).replace('incarnation: 1', 'incarnation: 2'))
        for site in SITES:
            cluster.os.rename(c.path(site, 'store'), c.path(site, 'store.old'))
            cluster.os.rename(c.path(site, 'second', 'last-hold'), c.path(site, 'second', 'last-hold.old'))
            c.edit(site, lambda text: text.replace('zones:\n  - zone: xc.\n', f'zones:\n  - zone: xc.\n    live-serial: {serial}\n'))
            self.assertEqual(c.check(site), (0, ''))
        c.start()

    def test_a_release_signed_ahead_of_the_clocks_is_left_by_founding_anew(self):
        with Cluster(small_zone(1, 'one')) as c:
            for site in ('zrh', 'sjc'):
                c.environments[site] = {'LD_PRELOAD': cluster.support('clockshift.so'), 'CLOCKSHIFT_FILE': c.path(site, 'clock')}
            nsd, knot = self.start_with_secondaries(c)
            self.leap_ahead(c)
            self.release_ahead(c, nsd)
            for name in c.names:
                wait_for(f'{name} says why', lambda: 'ahead of the clocks' in (c.reasons(name) or ''))
                self.assertEqual(c.health(name)[0], 2)
                wait_for(f'{name} says what may be done', lambda: 'found the cluster anew' in
                         ' '.join(c.ctl(name, 'zone', 'status', 'xc.', '--explain').stdout.split()))
            bogus = self.start_unbound(c, 'unbound-before', nsd, c.ds())
            self.assertEqual(dig(bogus, 'a.nic.xc', 'A')[0], 'SERVFAIL')
            serial = c.wait_released()
            self.found_anew(c, serial)
            after = c.wait_released()
            self.assertGreater(after, serial)
            self.wait_serial(c, after, (nsd, knot))
            self.follow(c, nsd, knot)
            for name, port in (('unbound-nsd', nsd), ('unbound-knot', knot)):
                self.check_answers(self.start_unbound(c, name, port, c.ds()))
            for name in c.names:
                wait_for(f'{name} is well', lambda: c.health(name)[0] == 0)

    def part_from_bulk(self, c, site):
        """What the site fetches from the others comes no more; what is said it hears."""
        others = [c.ports[other, 'bulk'] for other in SITES if other != site]
        c.environments[site] = {'LD_PRELOAD': cluster.support('reroute.so'),
                                'REROUTE': ','.join(f'{port}={free_port()}' for port in others)}

    def test_a_site_that_is_behind_says_so_and_secondaries_move_on(self):
        """The site that leads knows of a release and cannot get it: SERVFAIL with the reason, another leads, all as before later."""
        with Cluster(small_zone(1, 'one')) as c:
            with open(c.path('policy.yaml'), 'a') as file:
                file.write('behind-max: 1s\n')
            nsd, knot = self.start_with_secondaries(c)
            behind = self.lead(c, 'zrh')
            rest = [site for site in SITES if site != behind]
            c.stop(behind)
            self.part_from_bulk(c, behind)
            c.start(behind)
            wait_for(f'{behind} answers', lambda: c.marker(behind) == 'one')
            c.write_zone(small_zone(2, 'two'), rest)  # in its own folder nothing is new
            c.wait_marker('two', rest)
            serial = c.wait_released(rest)
            reply = wait_for(f'{behind} says that it is behind', lambda: (r := c.ask(behind)[0]).rcode == cluster.SERVFAIL and r)
            self.assertEqual((reply.answers, reply.errors), ([], [(14, 'behind: other sites serve a newer release')]))
            wait_for('another site leads', lambda: self.lead(c, rest[0]) in rest)
            for name, port in (('nsd', nsd), ('knot', knot)):
                wait_for(f'{name} serves {serial}', lambda: self.serial_at(port) == serial)
            c.stop(behind)
            del c.environments[behind]
            c.start(behind)
            wait_for(f'{behind} has caught up', lambda: c.serial(behind) == c.serial(rest[0]))

    def verify_served(self, c, *words):
        """consign-verify over a transfer, with the certificate that zrh shows: (exit status, what it says)."""
        with open(c.path('cert'), 'w') as file:
            file.write(c.cert('zrh')['certificate'])
        done = run(cluster.os.path.join(cluster.BIN, 'consign-verify'), '--cluster', c.path('cluster.yaml'), '--cert', c.path('cert'),
                   *words, check=False)
        return done.returncode, done.stdout + done.stderr

    def serve(self, c, name, zone_text):
        """An NSD that gives this zone to anybody here."""
        port = self.configure(c, name, NSD_PRIMARY_CONF)
        with open(c.path(name, 'xc.signed'), 'w') as file:
            file.write(zone_text)
        c.spawn(find_tool('nsd'), '-d', '-c', c.path(name, 'conf'), log=c.path(name, 'log'))
        wait_for(f'{name} answers', lambda: self.serial_at(port))
        return port

    def test_a_served_zone_is_checked_from_any_server(self):
        with Cluster(small_zone(2026112201)) as c:
            c.start()
            c.wait_released()
            site = f'127.0.0.1@{c.ports["zrh", "xfr"]}'
            code, said = self.verify_served(c, '--server', site, '--tsig', 'demo-key', '--secret', c.path('tsig.secret'))
            self.assertEqual(code, 0, said)
            self.assertIn('is certified, octet for octet', said)
            code, said = self.verify_served(c, '--server', site)
            self.assertEqual(code, 2, said)
            self.assertIn('the transfer was not finished', said)
            good = c.zone('zrh').presentation()
            port = self.serve(c, 'good', good)
            code, said = self.verify_served(c, '--server', f'127.0.0.1@{port}')
            self.assertEqual(code, 0, said)
            changed = good.replace('4 c0000201\n', '4 c0000202\n', 1)  # the address of a.nic
            self.assertTrue(changed != good)
            port = self.serve(c, 'changed', changed)
            code, said = self.verify_served(c, '--server', f'127.0.0.1@{port}')
            self.assertEqual(code, 1, said)
            self.assertIn('differs in D (data)', said)
            code, said = self.verify_served(c, '--server', f'127.0.0.1@{free_port()}')
            self.assertEqual(code, 2, said)
            self.assertIn('no connection', said)


if __name__ == '__main__':
    cluster.main()
