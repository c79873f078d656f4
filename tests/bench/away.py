"""The part `away` of run.sh: what it costs a site to be current again after it missed VERSIONS versions of the root zone's history
(CONSIGN_DATA/root-history.bundle), against what the whole zone would have cost it. One cluster; sin is stopped, the others release
version after version as fast as they can, sin is started. Current: it serves the newest release. Its history: it gives an IXFR from
the version before the newest. Octets are those of the replies that it was sent, as its log tells them."""
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'system'))
from cluster import Cluster, ask_ixfr, data, wait_for

VERSIONS, FIRST, PATIENCE_S, ZONE = int(sys.argv[1]), 100, 120, 'root.zone'
REST = ('zrh', 'sjc')


class History:
    """The published versions, by number."""

    def __init__(self, folder):
        self.repository = os.path.join(folder, 'root')
        subprocess.run(['git', 'clone', '-q', '-b', 'dev', data('root-history.bundle'), self.repository], check=True)
        self.commits = self.git('log', '--reverse', '--format=%H').decode().split()

    def git(self, *words):
        return subprocess.run(['git', '-C', self.repository, *words], check=True, capture_output=True).stdout

    def version(self, number):
        return self.git('show', f'{self.commits[number]}:{ZONE}')

    def difference(self, first, last):
        """Lines that one of the two has alone."""
        return sum(map(int, self.git('diff', '--numstat', self.commits[first], self.commits[last]).split()[:2]))


def octets(c, event):
    lines = [line for line in c.log_lines('sin', f' {event} ') if ' debug ' not in line]
    return sum(int(re.search(r'(\d+) octets', line)[1]) for line in lines), lines


def release(c, octets_of_zone):
    """One more version at the two sites that are up; the serial."""
    last = c.serial(REST[0])
    c.write_zone(octets_of_zone, REST)
    wait_for('the next release', lambda: c.serial(REST[0]) not in (None, last), PATIENCE_S, 0.02)
    return c.serial(REST[0])


def report(c, history, seconds, history_seconds):
    zone = c.zone('zrh')
    forward, forward_lines = octets(c, 'fetch.forward')
    by_difference, lines = octets(c, 'fetch.difference')
    whole, _ = octets(c, 'fetch.whole')
    of_history, history_lines = octets(c, 'history.fetched')
    print(f'missed: {VERSIONS} versions, in which {history.difference(FIRST, FIRST + VERSIONS)} lines of the unsigned zone changed')
    print(f'current {seconds:8.2f} s after it was started; fetched {forward} octets from version to '
          f'version, {by_difference} by difference, {whole} whole')
    for line in forward_lines + lines + history_lines:
        print('   ' + line.split(' sin ', 1)[1])
    print(f'history {history_seconds:8.2f} s after it was started; fetched {of_history} octets')
    print(f'whole zone: {len(zone.octets)} octets; to be current took {100 * (forward + by_difference + whole) / len(zone.octets):.1f} % of it')


def main():
    with tempfile.TemporaryDirectory(prefix='consign-bench.') as folder:
        history = History(folder)
        with Cluster(history.version(FIRST), origin='.', log_level='info') as c:
            c.start()
            c.wait_released(seconds=PATIENCE_S)
            c.stop('sin')
            began = time.monotonic()
            serial = newest = c.serial(REST[0])
            for number in range(FIRST + 1, FIRST + VERSIONS + 1):
                serial, newest = newest, release(c, history.version(number))
                if (number - FIRST) % 100 == 0:
                    print(f'{number - FIRST} versions released in {time.monotonic() - began:.0f} s', flush=True)
            c.write_zone(history.version(FIRST + VERSIONS), ['sin'])
            began = time.monotonic()
            c.start('sin')
            wait_for('sin is current', lambda: c.serial('sin') == newest, PATIENCE_S, 0.02)
            seconds = time.monotonic() - began
            wait_for('its history', lambda: len(ask_ixfr(c.ports['sin', 'xfr'], '.', serial, c.key)) < 5000, PATIENCE_S, 0.1)
            report(c, history, seconds, time.monotonic() - began)
            c.assert_same_everywhere()


main()
