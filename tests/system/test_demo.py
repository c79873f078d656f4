"""Goal: the demo does what the README says, with its own zone, the real root and the real .gov.
Method: deploy/demo.sh --once with the programs of this build; it compares and verifies what the sites serve itself."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import cluster
from cluster import BIN, COORDINATORS, ROOT, SITES, Cluster, Process, data, run, wait_for


def zone_of(*path):
    return subprocess.run(['zstd', '-qdc', data(*path)], check=True, capture_output=True).stdout


class Demo(unittest.TestCase):
    def call(self, *words):
        return subprocess.run([os.path.join(ROOT, 'deploy', 'demo.sh'), '--once', *words], capture_output=True, text=True,
                              timeout=800, env={**os.environ, 'CONSIGN_BIN': BIN})

    def demo(self, *words):
        done = self.call('--dir', os.path.join(self.folder, 'demo'), *words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn('the same octets in the same order from zrh, sjc, sin', done.stdout)
        self.assertIn('dnssec-verify: the zone is valid', done.stdout)
        return done.stdout

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='consign-test.')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_demo_with_its_own_zone(self):
        said = self.demo()
        self.assertIn('zone xc.', said)
        self.assertRegex(said, r'DS for the parent: xc\.(\s+3600)?\s+IN\s+DS\s+\d+ 13 2 ')

    def test_a_stopped_demo_starts_again_with_its_keys(self):
        ds = [line for line in self.demo().splitlines() if line.startswith('DS')]
        again = self.demo()
        self.assertIn('zone xc. again', again)
        self.assertEqual([line for line in again.splitlines() if line.startswith('DS')], ds)
        refused = self.call('--dir', os.path.join(self.folder, 'demo'), '--origin', 'xd.')
        self.assertEqual(refused.returncode, 2)
        self.assertIn('keeps its zone', refused.stderr)

    def test_a_demo_cleans_up_behind_itself_and_keeps_what_failed(self):
        done = self.call()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        folder = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith('folder '))
        self.assertTrue(folder.startswith('/tmp/consign-demo.'))
        self.assertFalse(os.path.exists(folder))
        with open(os.path.join(self.folder, 'bad.zone'), 'w') as file:
            file.write('xc. 3600 IN SOA a.xc. b.xc. 1 2 3 4 5\n')
        done = self.call('--zone', os.path.join(self.folder, 'bad.zone'))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        folder = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith('folder '))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.assertIn(f'kept for a look: {folder}', done.stderr)
        self.assertTrue(os.path.exists(os.path.join(folder, 'zrh', 'log')))

    def pid(self, name):
        with open(os.path.join(self.folder, 'demo', name, 'pid')) as file:
            return int(file.read())

    def leader(self):
        done = run(os.path.join(BIN, 'consignctl'), '-s', os.path.join(self.folder, 'demo', 'zrh', 'control.sock'), '-o', 'json',
                   'status', check=False)
        return done.returncode == 0 and json.loads(done.stdout)['leader']

    def start_again(self, *names):
        return run(os.path.join(ROOT, 'deploy', 'cluster.sh'), 'start', os.path.join(self.folder, 'demo'), *names, check=False,
                   env={**os.environ, 'CONSIGN_BIN': BIN})

    def test_the_demo_goes_on_when_its_leader_is_killed(self):
        log = os.path.join(self.folder, 'log')
        demo = Process([os.path.join(ROOT, 'deploy', 'demo.sh'), '--dir', os.path.join(self.folder, 'demo')], log,
                       {'CONSIGN_BIN': BIN})
        try:
            def says():
                with open(log) as file:
                    text = file.read()
                self.assertTrue(demo.is_alive(), text)
                return 'all again' in text
            wait_for('the demo runs', says)
            old = self.leader()
            self.assertIn(old, COORDINATORS)
            os.kill(self.pid(old), signal.SIGKILL)
            wait_for(f'another than {old} leads', lambda: self.leader() not in (old, None, False))
            self.assertEqual(self.start_again(old).returncode, 0)
            again = self.start_again('coordinators')
            self.assertEqual(again.returncode, 1)
            self.assertIn('running already: ' + ' '.join(COORDINATORS), again.stderr)
            self.assertEqual(self.start_again('coordinator').returncode, 2)
        finally:
            pids = [self.pid(name) for name in SITES + tuple(COORDINATORS)]
            demo.end(signal.SIGINT)
        for pid in pids:  # one that nobody waits for has no program any more
            self.assertFalse(os.path.exists(f'/proc/{pid}/exe'), f'process {pid} goes on')

    def test_demo_with_the_real_root_zone(self):
        zone = data('root-signed', 'root-2019121300.unsigned.zone.zst')
        self.demo('--zone', zone, '--origin', '.')

    def test_demo_with_the_real_gov_zone(self):
        run('git', 'clone', '-q', '-b', 'dev', data('gov-zone.bundle'), os.path.join(self.folder, 'gov'))
        self.demo('--zone', os.path.join(self.folder, 'gov', 'gov.zone.txt'), '--origin', 'gov.')

    def test_default_policy_is_refused_for_the_root(self):
        root = zone_of('root-signed', 'root-2019121300.unsigned.zone.zst')
        with Cluster(root, origin='.') as c:
            c.edit('policy.yaml', lambda text: text.replace('validity: 28d', 'validity: 21d').replace('refresh: 14d', 'refresh: 10d'))
            c.start()
            for site in cluster.SITES:
                reason = wait_for(f'the input parked at {site}', lambda: c.parked(site))[0]
                self.assertIn('refresh', reason)
                self.assertIn('SOA EXPIRE', reason)
            self.assertIsNone(c.serial('zrh'))
            self.assertIsNone(c.cert('zrh'))


if __name__ == '__main__':
    cluster.main()
