"""Goal: every program says how it is used, and what was wrong when it was not; a monitoring plug-in never takes a slip of the
pen for a verdict.
Method: the programs with right and wrong words; exit status, standard output and standard error."""
import json
import os
import subprocess
import unittest

import cluster
from cluster import BIN, run

PROGRAMS = ('consignctl', 'consign-ceremony', 'consign-verify', 'consign-node', 'consign-coordinator')
TOKEN = ('--token', 'pkcs11:token=x')

# Words, exit status, and what standard error has to name.
WRONG = (
    (('consignctl',), 2, 'no command'),
    (('consignctl', 'sttus'), 2, 'unknown command: sttus'),
    (('consignctl', 'status', 'ch.', 'more'), 2, 'one word too many: more'),
    (('consignctl', '-w', 'cert', 'show', 'ch.'), 2, '--watch: of status and health alone'),
    (('consignctl', '--watch=soon', 'status'), 2, 'takes seconds, not soon'),
    (('consignctl', '-w0', 'status'), 2, 'takes seconds, not 0'),
    (('consignctl', '--frob', 'status'), 2, '--frob'),
    (('consignctl', '-o', 'xml', 'status'), 2, 'xml'),
    (('consignctl', '-s'), 2, "'s'"),
    (('consignctl', 'cert'), 2, 'cert: show'),
    (('consignctl', 'cert', 'show'), 2, 'zone is missing'),
    (('consignctl', 'cert', 'show', 'ch.', 'li.'), 2, 'one word too many: li.'),
    (('consignctl', 'zone'), 2, 'zone: it has no such'),
    (('consignctl', 'zone', 'dif'), 2, 'zone: it has no such'),
    (('consignctl', 'zone', 'diff', 'ch.', '7', 'zrh'), 2, 'ZONE SERIAL SITE SITE'),
    (('consignctl', 'zone', 'diff', 'ch.', '4294967296', 'zrh', 'sin'), 2, 'below 2^32'),
    (('consignctl', 'zone', 'diff', 'ch.', '7x', 'zrh', 'sin'), 2, 'below 2^32'),
    (('consignctl', 'zone', 'diff', 'ch.', '', 'zrh', 'sin'), 2, 'below 2^32'),
    (('consignctl', 'zone', 'reports'), 2, 'needs ZONE'),
    (('consignctl', 'health', 'ch.'), 3, 'one word too many: ch.'),
    (('consignctl', '-x', 'health'), 3, "'x'"),
    (('consignctl', 'membership'), 2, 'propose FILE, show or chain'),
    (('consignctl', 'membership', 'propose'), 2, 'file is missing'),
    (('consignctl', 'membership', 'show', 'all'), 2, 'one word too many'),
    (('consign-ceremony', 'officer', 'sgn'), 2, 'officer does not know: sgn'),
    (('consign-ceremony', 'officer', 'new', '--out', 'f'), 2, 'missing: --name'),
    (('consign-ceremony', 'officer', 'sign', '--out', 'f'), 2, 'missing: --cluster'),
    (('consign-ceremony', 'emergency', 'new', '--out', 'f', '--cluster', 'c', '--keep', 'a'), 2, 'missing: --reason'),
    (('consign-ceremony',), 2, 'no command'),
    (('consign-ceremony', 'kye', 'show') + TOKEN, 2, 'unknown command: kye'),
    (('consign-ceremony', 'key', 'shwo'), 2, 'key does not know: shwo'),
    (('consign-ceremony', 'transport', 'send') + TOKEN, 2, 'transport does not know: send'),
    (('consign-ceremony', 'transport', 'import', 'file'), 2, 'missing: --token'),
    (('consign-ceremony', 'transport', 'import') + TOKEN, 2, 'missing: FILE'),
    (('consign-ceremony', 'key', 'show', '--label'), 2, '--label'),
    (('consign-verify', '--cert', 'c', '--zone', 'z'), 2, 'missing: --cluster'),
    (('consign-verify', '--cert', 'c', '--zone', 'z', '--cluster', 'd', 'more'), 2, 'one word too many: more'),
    (('consign-node',), 2, '-c FILE.yaml is missing'),
    (('consign-node', '-c', 'a', 'b'), 2, 'one word too many: b'),
    (('consign-coordinator', '--frob'), 2, '--frob'),
)


def call(*words):
    return run(os.path.join(BIN, words[0]), *words[1:], check=False)


class Usage(unittest.TestCase):
    def test_one_who_watches_through_a_pipe_gets_a_document_a_line(self):
        words = [os.path.join(BIN, 'consignctl'), '-s', '/nowhere/control.sock', '-w1', 'status']
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watching:
            levels = [json.loads(watching.stdout.readline())['health']['level'] for _ in range(2)]
            watching.kill()
        self.assertEqual(levels, [3, 3])
        self.assertEqual(call('consignctl', '-s', '/nowhere/control.sock', 'status', '--exit-code').returncode, 3)

    def test_help_and_version_go_to_standard_output(self):
        for program in PROGRAMS:
            for words in ((program, '--help'), (program, '-h')):
                done = call(*words)
                self.assertEqual((done.returncode, done.stderr), (0, ''), words)
                self.assertTrue(done.stdout.startswith(f'usage: {program}'), done.stdout)
                self.assertIn('--version', done.stdout)
                self.assertIn('Exit status', done.stdout)
            done = call(program, '--version')
            self.assertEqual((done.returncode, done.stderr), (0, ''), program)
            self.assertRegex(done.stdout, rf'^{program} \d+\.\d+\.\d+\n$')
        self.assertEqual(call('consign-hsm', '--help').returncode, 0)

    def test_help_of_a_command_is_help(self):
        self.assertIn('usage: consignctl', call('consignctl', 'health', '--help').stdout)

    def test_wrong_words_are_named_and_followed_by_a_short_usage(self):
        for words, status, named in WRONG:
            done = call(*words)
            self.assertEqual(done.returncode, status, words)
            lines = done.stderr.splitlines()
            self.assertIn(named, lines[0], words)
            self.assertTrue(lines[1].startswith(f'usage: {words[0]}'), done.stderr)
            self.assertLessEqual(len(lines), 4, done.stderr)
            self.assertEqual(done.stdout, 'CONSIGN UNKNOWN - wrong usage\n' if status == 3 else '', words)


if __name__ == '__main__':
    cluster.main()
