"""Goal: the members of a cluster change by their officers' documents alone, one at a time, while it goes on releasing; whoever was
down, late, killed or new ends in the same epoch with the same zone.
Method: one cluster goes through epochs: a verifier comes and goes, a site that lost its store is replaced, a document waits for a
quorum, a site is killed in the middle. The sites keep their first configuration: the chain of epochs tells them the rest. Another
loses two of its three sites, as far as the third can tell: they go on, come back, and nothing that was released is undone."""
import hashlib
import os
import re
import shutil
import unittest

import cluster
from cluster import BIN, COORDINATOR, SITES, Cluster, assert_matches, run, small_zone, wait_for

NEW = 'fra'


def write_octets(path, octets):
    with open(path, 'wb') as file:
        file.write(octets)


class Document:
    """A cluster document of deploy/cluster.sh, taken apart and put together again."""

    def __init__(self, text):
        self.text = text
        head, rest = text.split('members:\n')
        members, self.tail = rest.split('coordinators:\n')
        self.head = dict(line.split(': ') for line in head.splitlines())
        self.members = []
        for block in re.split(r'^  - ', members, flags=re.MULTILINE)[1:]:
            self.members.append(dict(line.strip().split(': ') for line in block.splitlines()))

    def digest(self):
        return hashlib.sha384(self.text.encode()).hexdigest()

    def next(self, quorum=None, change=lambda members: members, tail=lambda text: text):
        head = dict(self.head, epoch=str(int(self.head['epoch']) + 1), quorum=str(quorum or self.head['quorum']),
                    previous=self.digest())
        members = change([dict(member) for member in self.members])
        lines = [f'{key}: {value}' for key, value in head.items()] + ['members:']
        for member in members:
            lines += [f'{"  - " if i == 0 else "    "}{key}: {value}' for i, (key, value) in enumerate(member.items())]
        return Document('\n'.join(lines) + '\ncoordinators:\n' + tail(self.tail))


class Changing(Cluster):
    """A cluster and the document that is in force in it."""

    def __init__(self, zone_text, **more):
        super().__init__(zone_text, **more)
        with open(self.path('cluster.yaml')) as file:
            self.document = Document(file.read())
        self.present_path = self.path('cluster.yaml')
        self.input_serial = 1

    def ceremony(self, *words, check=True):
        return run(os.path.join(BIN, 'consign-ceremony'), *words, check=check)

    def write(self, document):
        path = self.path(f'cluster-{document.head["epoch"]}.yaml')
        with open(path + '.new', 'w') as file:
            file.write(document.text)
        os.rename(path + '.new', path)  # a site that starts may be reading it
        return path

    def officer(self, name):
        return self.path('officers', f'{name}.key')

    def sign(self, document, officers=('anna', 'cleo'), check=True):
        """The signed document's path, or what was said against it."""
        path, signatures = self.write(document), []
        for name in officers:
            out = f'{path}.{name}'
            done = self.ceremony('officer', 'sign', '--key', self.officer(name), '--cluster', self.present_path, '--document', path,
                                 '--out', out, check=check)
            if done.returncode != 0:
                return done
            signatures += ['--signature', out]
        done = self.ceremony('officer', 'combine', '--cluster', self.present_path, '--document', path, *signatures, '--out',
                             f'{path}.signed', check=check)
        return done if done.returncode != 0 else f'{path}.signed'

    def propose(self, site, document, **more):
        signed = self.sign(document, **more)

        def taken():
            done = self.ctl(site, 'membership', 'propose', signed)
            return 'of the members that stay' not in done.stderr and done
        done = wait_for(f'{site} hears that those that stay have the newest release', taken)
        assert done.returncode == 0, done.stderr
        return signed

    def epoch(self, site):
        status = self.status(site)
        return status and status['cluster']['epoch']

    def wait_epoch(self, document, sites):
        number = int(document.head['epoch'])
        for site in sites:
            wait_for(f'{site} is in epoch {number}', lambda: self.epoch(site) == number)
        self.document, self.present_path = document, self.write(document)

    def make_site(self, site, document):
        """The folder, identity and configuration of a site, of which `document` is the first that it knows."""
        self.ports.update({(site, what): self.ports.get((site, what)) or cluster.free_port() for what in ('mesh', 'bulk', 'xfr')})
        with open(self.path('ports'), 'w') as file:
            file.writelines(f'{name} {what} {port}\n' for (name, what), port in self.ports.items())
        self.shell(f'make_site {self.folder} {site}')
        self.inputs[site] = self.path(site, 'in', 'zone')
        os.makedirs(os.path.dirname(self.inputs[site]), exist_ok=True)

    def configure(self, site, document):
        path = os.path.basename(self.write(document))
        self.shell(f'make_node_yaml {self.folder} {site} {self.origin} in/zone')
        self.edit(site, lambda text: text.replace('../cluster.yaml', f'../{path}') + 'log:\n  level: debug\n')

    def member(self, number, site, role, incarnation=1):
        key = self.shell(f'public_hex {self.path(site, "site.key")}').strip()
        address = {what: f'tls+tcp://127.0.0.1:{self.ports[site, what]}' for what in ('mesh', 'bulk')}
        return {'number': str(number), 'name': site, 'role': role, 'incarnation': str(incarnation), 'key': key, **address}

    def chain(self, site):
        done = self.ctl(site, 'membership', 'chain')
        assert done.returncode == 0, done.stderr
        path = self.path('chain')
        with open(path, 'w') as file:
            file.write(done.stdout)
        return path

    def assert_released(self, marker, sites):
        """A new input is released at all of these, the same everywhere, and provable from the first document."""
        self.input_serial += 1
        self.write_zone(small_zone(self.input_serial, marker), sites)
        self.wait_marker(marker, sites)
        self.wait_released(sites)
        zones = {site: self.zone(site) for site in sites}
        assert len({zone.digest for zone in zones.values()}) == 1, f'the sites differ: {zones}'
        code, said = cluster.verify(self.path('cluster.yaml'), self.cert(sites[0]), self.zone(sites[0]), chain=self.chain(sites[0]))
        assert code == 0, said


class Membership(unittest.TestCase):
    def refuse_what_may_not_be(self, c):
        document = c.document.next(tail=lambda text: text.replace('name: duty', 'name: night'))
        done = c.sign(document, officers=('anna',), check=False)
        assert_matches('2 of 3 are needed', done.stderr, 'one officer')
        done = c.ctl('zrh', 'membership', 'propose', c.write(document) + '.anna')
        assert_matches('cannot follow epoch 1: signed by 1 officers, 2 of 3 are needed', done.stderr, 'one officer, to a site')
        c.ceremony('officer', 'new', '--name', 'stranger', '--out', c.officer('stranger'))
        done = c.sign(document, officers=('anna', 'stranger'), check=False)
        assert_matches('not the key of an officer', done.stderr, 'a stranger')
        both = c.document.next(2, lambda members: members[:1] + [dict(members[1], incarnation='2', key='3' * 64)] +
                               [dict(members[2], incarnation='2', key='4' * 64)])
        done = c.sign(both, check=False)
        assert_matches('cannot follow .*one', done.stderr, 'two changes')
        done = c.ctl('zrh', 'membership', 'propose', c.present_path)
        assert_matches('not a signed document', done.stderr, 'a bare document')
        self.assertEqual([c.epoch(site) for site in SITES], [1, 1, 1])

    def admit(self, c):
        c.make_site(NEW, c.document)
        document = c.document.next(3, lambda members: members + [c.member(4, NEW, 'verifier')])
        c.configure(NEW, document)
        c.start(NEW)
        waits = wait_for('the new site says that it waits', lambda: c.reasons(NEW))
        assert_matches('^fra waits for epoch 2, ', waits, 'a site that is no member yet')
        self.assertNotIn('no quorum', waits)
        c.propose('sjc', document)
        c.wait_epoch(document, SITES + (NEW, COORDINATOR))
        c.assert_released('admitted', SITES + (NEW,))
        done = c.ceremony('emergency', 'new', '--cluster', c.present_path, '--keep', NEW, '--reason', 'a rehearsal', '--fenced', 'none',
                          '--hours', '1', '--base', c.path('base'), '--out', c.path('never.yaml'), check=False)
        self.assertEqual(done.returncode, 1)
        assert_matches('--keep: names no signer', done.stderr, 'a verifier alone')

    def choose_of_two(self, c):
        """Two documents of one number at two sites of four each: releases go on; taking one back lets the other begin."""
        halves = (('zrh', 'sjc'), ('sin', NEW))
        documents = [c.document.next(tail=lambda text: text.replace('name: duty', f'name: {name}')) for name in ('night', 'noon')]
        c.stop(*SITES, NEW)
        for half, document in zip(halves, documents):
            c.start(*half)
            wait_for(f'{half[0]} answers', lambda: c.status(half[0]))
            c.propose(half[0], document)
            wait_for(f'{half[1]} has it too', lambda: 'next, when a quorum' in c.ctl(half[1], 'membership', 'show').stdout)
            c.stop(*half)
        c.start(*SITES, NEW)
        c.assert_released('two documents', SITES + (NEW,))
        self.assertEqual([c.epoch(site) for site in SITES], [2, 2, 2])
        c.stop(*halves[1])  # as docs/OPERATING.md has it
        for site in halves[1]:
            os.remove(c.path(site, 'store', 'next'))
        c.start(*halves[1])
        c.wait_epoch(documents[0], SITES + (NEW, COORDINATOR))

    def remove(self, c):
        document = c.document.next(2, lambda members: members[:3])
        c.propose('zrh', document)
        c.wait_epoch(document, SITES + (COORDINATOR,))
        self.begin_from_an_earlier_epoch(c)
        c.assert_released('removed', SITES)
        self.assertEqual(c.marker(NEW), 'two documents')  # it votes no more, and serves what it has
        c.stop(NEW)

    def replace(self, c):
        c.kill('sin')
        for name in ('store', 'second'):
            shutil.rmtree(c.path('sin', name))
        others = ('zrh', 'sjc')
        c.assert_released('without', others)
        c.make_site('sin', c.document)
        document = c.document.next(2, lambda members: members[:2] + [c.member(3, 'sin', 'signer', 2)])
        c.configure('sin', document)
        c.propose('zrh', document)
        c.wait_epoch(document, others)
        c.start('sin')
        c.wait_epoch(document, SITES + (COORDINATOR,))
        c.assert_released('replaced', SITES)

    def wait_for_quorum(self, c):
        """Nobody seals before a quorum has the document; then it goes on by itself, whoever was killed meanwhile."""
        document = c.document.next(tail=lambda text: text.replace('name: duty', 'name: night'))
        c.stop('sjc', 'sin')
        c.propose('zrh', document)
        status = wait_for('the document is there', lambda: (status := c.status('zrh')) and status['cluster']['next_epoch'] and status)
        self.assertFalse(status['cluster']['sealed'])
        assert_matches('next, when a quorum has it', c.ctl('zrh', 'membership', 'show').stdout, 'membership show')
        assert_matches('is here and has not begun', c.ctl('zrh', 'status').stdout, 'status')
        write_octets(c.path('sin', 'store', 'next'), bytes(1 << 22))  # too long to be read: lost, and the others have it
        c.start('sjc')
        wait_for('sjc has it', lambda: c.log_lines('sjc', 'epoch.next'))
        c.kill('sjc')
        c.start('sjc', 'sin')
        c.wait_epoch(document, SITES + (COORDINATOR,))
        c.assert_released('waited', SITES)

    def kill_in_the_middle(self, c):
        """At the seal: what was said before the kill stands after it."""
        document = c.document.next(tail=lambda text: text.replace('name: night', 'name: duty'))
        c.propose('sin', document)
        wait_for('a site seals', lambda: any(c.log_lines(site, ' trace sealed ') for site in SITES))
        for site in ('zrh', 'sin'):
            c.kill(site)
        c.start('zrh', 'sin')
        c.wait_epoch(document, SITES + (COORDINATOR,))
        c.assert_released('killed', SITES)

    def keep_no_chain(self, c):
        """A coordinator that cannot remember a new epoch goes on with it as soon as it can."""
        path = c.path(COORDINATOR, 'control.sock.chain')
        os.remove(path)
        os.mkdir(path)
        document = c.document.next(tail=lambda text: text.replace('name: duty', 'name: noon'))
        c.propose('zrh', document)
        wait_for('it says so', lambda: c.log_lines(COORDINATOR, 'cannot be remembered'))
        os.rmdir(path)
        c.wait_epoch(document, SITES + (COORDINATOR,))
        c.assert_released('remembered', SITES)

    def lose_the_chain(self, c):
        """Without its chain of documents a site knows the first one only: the others give it the links."""
        path = c.path('sjc', 'store', 'chain')
        with open(path, 'rb') as file:
            octets = bytearray(file.read())
        octets[len(octets) // 2] ^= 1
        for damage in (lambda: write_octets(path, octets), lambda: os.remove(path)):
            c.stop('sjc')
            damage()
            c.start('sjc')
            c.wait_epoch(c.document, ('sjc',))
            c.wait_marker('remembered', ('sjc',))
        c.assert_released('chained', SITES)

    def test_members_change_one_at_a_time_and_releases_go_on(self):
        with Changing(small_zone(1, 'first')) as c:
            c.start()
            c.wait_marker('first')
            for step in (self.refuse_what_may_not_be, self.admit, self.choose_of_two, self.remove, self.replace, self.wait_for_quorum,
                         self.kill_in_the_middle, self.keep_no_chain, self.lose_the_chain):
                step(c)

    def add_zones(self, c, count):
        """Zones with long names and no input: their floors are what counts, and they are many octets."""
        tail = '.'.join(['x' * 63] * 3 + ['many'])
        names = [f'z{i:05}.{tail}' for i in range(count)]
        with open(c.path('keyset.yaml')) as file:
            keyset = file.read()
        os.makedirs(c.path('keys'))
        for name in names:
            with open(c.path('keys', f'{name}.yaml'), 'w') as file:
                file.write(keyset.replace(f'zone: {c.origin}', f'zone: {name}.', 1))
        with open(c.path('names'), 'w') as file:
            file.writelines(name + '\n' for name in names)
        listing = 'zone-lists:\n  - names: ../names\n    policy: ../policy.yaml\n    keys: ../keys/{zone}.yaml\n'
        tokens = '    token-keys: [{key: ksk, label: ksk}, {key: zsk, label: zsk}]\n'
        for name in SITES + c.coordinators:
            c.edit(name, lambda text: text + listing + (f'    input: in/{{zone}}\n{tokens}' if name in SITES else ''))

    def test_floors_larger_than_one_piece_reach_a_site_that_was_away(self):
        with Changing(small_zone(1, 'first'), log_level='info') as c:
            self.add_zones(c, 2200)
            c.start()
            c.wait_marker('first')
            c.stop('sin')
            document = c.document.next(tail=lambda text: text.replace('name: duty', 'name: night'))
            c.propose('zrh', document)
            c.wait_epoch(document, ('zrh', 'sjc'))
            c.start('sin')
            c.wait_epoch(document, ('sin',))
            c.stop('sjc')
            c.assert_released('joined', ('zrh', 'sin'))  # which sin votes for

    def begin_from_an_earlier_epoch(self, c):
        """An emergency's document from a certificate of before the last change."""
        base = c.path('base')
        with open(base, 'w') as file:
            file.write(c.cert('zrh')['certificate'])
        words = ['emergency', 'new', '--cluster', c.present_path, '--keep', 'zrh', '--reason', 'a rehearsal', '--fenced', 'none',
                 '--hours', '1', '--base', base, '--out', c.path('never.yaml')]
        done = c.ceremony(*words, check=False)
        self.assertEqual(done.returncode, 1)
        assert_matches('certificate of epoch 2, .* of epoch 4; give --chain too', done.stderr, 'without a chain')
        done = c.ceremony(*words, '--keep', 'sin', check=False)
        self.assertEqual(done.returncode, 2)
        assert_matches('given twice; name all sites that are kept in one.*: keep', done.stderr, 'one of two would be left out')
        offsets = []
        for keep in ('zrh', 'sin'):  # should both be declared, their serials must not meet
            words[words.index('--keep') + 1] = keep
            assert_matches('EMERGENCY until', c.ceremony(*words, '--chain', c.chain('zrh')).stdout, 'with a chain')
            with open(c.path('never.yaml')) as file:
                offsets.append(re.search('serial-offset: ([0-9]+)', file.read())[1])
        self.assertNotEqual(*offsets)

    def remove_before_the_rest_caught_up(self, c, document):
        """Only zrh and who leaves have the newest release: whoever proposes that must say that he knows."""
        signed = c.sign(document)
        done = c.ctl('zrh', 'membership', 'propose', signed)
        self.assertEqual(done.returncode, 4)
        assert_matches(f'the newest release of zone {c.origin} is, .* at 1 of the members that stay, and should be at 2; .*--anyway',
                       done.stderr, 'membership propose')
        self.assertIsNone(c.status('zrh')['cluster']['next_epoch'])
        done = c.ctl('zrh', 'membership', 'propose', signed, '--anyway')
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_site_removed_while_it_was_away_learns_of_it(self):
        with Changing(small_zone(1, 'first')) as c:
            c.start()
            c.wait_marker('first')
            c.stop('sjc')
            c.assert_released('second', ('zrh', 'sin'))
            c.stop('sin')
            document = c.document.next(2, lambda members: members[:2])
            self.remove_before_the_rest_caught_up(c, document)
            c.start('sjc')
            c.wait_epoch(document, ('zrh', 'sjc', COORDINATOR))
            c.assert_released('without', ('zrh', 'sjc'))
            c.start('sin')
            wait_for('sin knows', lambda: 'no member' in (c.reasons('sin') or ''))
            assert_matches('epoch 2', c.ctl('sin', 'membership', 'show').stdout, 'membership show')
            self.assertEqual(c.marker('sin'), 'second')  # until its signatures are about to end
            self.assertEqual(c.log_lines('zrh', 'no member of this cluster'), [])
            c.stop('sin')
            c.start('sin')
            wait_for('sin still knows', lambda: 'no member' in (c.reasons('sin') or ''))
            self.assertIn('sin follows no coordinator and hears nobody: it is no member any more', c.reasons('sin'))
            self.assertNotIn('no quorum', c.reasons('sin'))

    def declare_emergency(self, c, keep):
        """The officers' document by which one site goes on alone, proposed there."""
        base = c.path('base')
        with open(base, 'w') as file:
            file.write(c.cert(keep)['certificate'])
        path = c.path('cluster-2.yaml')
        words = ['emergency', 'new', '--cluster', c.present_path, '--keep', keep, '--reason', 'two sites are under water', '--fenced',
                 'their power is off', '--hours', '48', '--base', base, '--out', path]
        assert_matches('member 2 sjc leaves(.|\n)*EMERGENCY until', c.ceremony(*words).stdout, 'emergency new')
        with open(path) as file:
            document = Document(file.read())
        for year in ('2021', '2091'):  # signed once, and found in a drawer
            dates = re.sub(r'(issued|not-after): [0-9]{4}', rf'\1: {year}', document.text)
            done = c.ctl(keep, 'membership', 'propose', c.sign(Document(dates)))
            assert_matches(f'an emergency until {year}.*over already or last longer than 72 h', done.stderr, 'of another day')
        c.propose(keep, document)
        return document

    def refresh(self, c, version, before):
        """A new policy, and the serial of the release that it makes due."""
        c.edit('policy.yaml', lambda text: re.sub('version: [0-9]+', f'version: {version}', text))
        c.stop('zrh', COORDINATOR)
        c.start('zrh', COORDINATOR)
        return wait_for('a refresh', lambda: (serial := c.serial('zrh')) and serial != before and serial)

    def go_on_alone(self, c, before):
        """Refreshes only: a new file is not released, a new policy signs what was there. The serial that it ends with."""
        for words in (('status',), ('membership', 'show')):
            assert_matches('EMERGENCY until', c.ctl('zrh', *words).stdout, words[0])
        c.write_zone(small_zone(5, 'not now'), ['zrh'])
        wait_for('the file is taken', lambda: c.log_lines('zrh', 'input serial 5:'))
        serial = self.refresh(c, 2, before)
        self.assertGreater(serial, before + (1 << 20))
        wait_for('the file is taken again', lambda: len(c.log_lines('zrh', 'input serial 5:')) > 1)
        serial = self.refresh(c, 3, serial)  # by now the leader has heard of the file
        self.assertEqual(c.marker('zrh'), 'before')
        return serial

    def end_emergency(self, c, first):
        path = c.path('cluster-3.yaml')
        words = ['emergency', 'end', '--cluster', c.present_path, '--before', c.path('cluster.yaml'), '--out', path]
        assert_matches('member 2 sjc joins(.|\n)*' + first.digest(), c.ceremony(*words).stdout, 'emergency end')
        words[words.index('--cluster') + 1] = c.path('cluster.yaml')
        assert_matches("--cluster is the emergency's document", c.ceremony(*words, check=False).stderr, 'no emergency')
        with open(path) as file:
            return Document(file.read())

    def refuse_what_forgets(self, c, back):
        """A return that does not say that the others may have voted."""
        done = c.ctl('zrh', 'membership', 'propose', c.sign(Document(re.sub('merges: .*\n', '', back.text))))
        assert_matches('sjc comes back with its key', done.stderr, 'no word of the branch')

    def assert_never_back(self, c, sites):
        for site in sites:
            serials = [int(number) for line in c.log_lines(site, ' trace released ') for number in re.findall('serial[ =]([0-9]+)', line)]
            self.assertGreater(len(serials), 3, c.log_lines(site, ' trace released '))
            self.assertEqual(serials, sorted(serials), f'{site} released {serials}')

    def test_a_last_site_goes_on_alone_by_the_officers_word_and_a_branch_that_went_on_comes_back(self):
        with Changing(small_zone(1, 'before')) as c:
            c.start()
            c.wait_marker('before')
            before, first, others = c.wait_released(), c.document, ('sjc', 'sin')
            # To the first site the others are dead; in truth they go on without it.
            c.kill('zrh')
            c.write_zone(small_zone(2, 'branch'), others)
            c.wait_marker('branch', others)
            branch = c.wait_released(others)
            c.kill('sjc')
            c.kill('sin')
            c.start('zrh')
            wait_for('the last site is up', lambda: c.status('zrh'))
            document = self.declare_emergency(c, 'zrh')
            c.wait_epoch(document, ('zrh', COORDINATOR))
            assert_matches('EMERGENCY until .*: refreshes only', c.ctl('zrh', 'health').stdout, 'health')
            wait_for('the coordinator says so', lambda: 'EMERGENCY until ' in (c.reasons(COORDINATOR) or ''))
            serial = self.go_on_alone(c, before)
            self.assertGreater(serial, branch)
            # All three again, by the officers' next document, which names the branch: what it released is everywhere.
            back = self.end_emergency(c, first)
            self.refuse_what_forgets(c, back)
            c.propose('zrh', back)
            c.wait_epoch(back, ('zrh', COORDINATOR))
            c.start(*others)
            c.wait_epoch(back, SITES)
            c.wait_marker('branch')
            self.assertGreater(c.wait_released(), serial)
            c.input_serial = 5
            c.assert_released('after', SITES)
            self.assert_never_back(c, SITES)


if __name__ == '__main__':
    cluster.main()
