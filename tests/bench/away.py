"""The part `away` of run.sh: what it costs a site to be current again after it missed versions of the root zone's history
(CONSIGN_DATA/root-history.bundle), against what changed in them and against the whole zone: away.py COUNT... One cluster; for each
COUNT sin is stopped, the others release so many versions, one after the other as fast as they can, and sin is started. Current: it
serves the newest release. Its history: it gives the same IXFR as zrh from the oldest version that zrh still has one from. Octets
are those of the replies that it was sent, as its log tells them, and of its connections, as the kernel counts them (ss)."""
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'system'))
from cluster import SOA, Cluster, ask_ixfr, data, run, wait_for  # noqa: E402

COUNTS, FIRST, PATIENCE_S, ZONE = [int(word) for word in sys.argv[1:]], 100, 120, 'root.zone'
REST = ('zrh', 'sjc')
Row = namedtuple('Row', 'versions lines net deltas kept forward trees whole history received zone current_s history_s')


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


def size_of(records):
    return sum(len(owner) + 10 + len(rdata) for owner, _, _, _, rdata in records)


def ixfr(c, site, serial):
    """Records of the differences from a serial; None where the whole zone is less, or one SOA."""
    records = ask_ixfr(c.ports[site, 'xfr'], '.', serial, c.key)
    return records if len(records) > 2 and records[1][1] == SOA else None


class Log:
    """What sin says from now on."""

    def __init__(self, c):
        self.c, self.skip = c, len(c.log('sin').splitlines())

    def lines(self, *events):
        lines = self.c.log('sin').splitlines()[self.skip:]
        return [line for line in lines if ' debug ' not in line and any(f' {event} ' in line for event in events)]

    def octets(self, event):
        return sum(int(re.search(r'(\d+) octets', line)[1]) for line in self.lines(event))


def received(c):
    """Octets that sin's connections received."""
    lines = run('ss', '-tinpHO').stdout.splitlines()
    return sum(int(found[1]) for line in lines
               if f'pid={c.processes["sin"].pid},' in line and (found := re.search(r' bytes_received:(\d+)', line)))


def release(c, octets_of_zone):
    """One more version at the two sites that are up; the serial."""
    last = c.serial(REST[0])
    c.write_zone(octets_of_zone, REST)
    wait_for('the next release', lambda: c.serial(REST[0]) not in (None, last), PATIENCE_S, 0.02)
    return c.serial(REST[0])


def release_all(c, history, first, count):
    """The serials of so many versions after `first`, and the octets of the differences between them."""
    began, serials, deltas = time.monotonic(), [c.serial(REST[0])], 0
    for number in range(first + 1, first + count + 1):
        serials.append(release(c, history.version(number)))
        deltas += size_of(ixfr(c, REST[0], serials[-2]) or [])
        if (number - first) % 100 == 0:
            print(f'{number - first} versions released in {time.monotonic() - began:.0f} s', flush=True)
    return serials, deltas


def oldest_kept(c, serials):
    """The oldest of them that zrh has differences from, and the differences."""
    low, high = 0, len(serials) - 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if ixfr(c, REST[0], serials[middle]) else (middle + 1, high)
    return serials[low], ixfr(c, REST[0], serials[low]), len(serials) - 1 - low


def measure(c, history, first, count):
    c.wait_released(seconds=PATIENCE_S)
    before = c.zone('sin')
    c.stop('sin')
    serials, deltas = release_all(c, history, first, count)
    oldest, differences, kept = oldest_kept(c, serials)
    c.write_zone(history.version(first + count), ['sin'])
    log, began = Log(c), time.monotonic()
    c.start('sin')
    wait_for('sin is current', lambda: c.serial('sin') == serials[-1], PATIENCE_S, 0.02)
    current_s = time.monotonic() - began
    wait_for('its history', lambda: ixfr(c, 'sin', oldest) == differences, PATIENCE_S, 0.1)
    history_s, octets = time.monotonic() - began, received(c)
    zone = c.zone('sin')
    for line in log.lines('fetch.forward', 'fetch.difference', 'fetch.whole', 'history.fetched'):
        print('   ' + line.split(' sin ', 1)[1], flush=True)
    c.assert_same_everywhere()
    return Row(versions=count, lines=history.difference(first, first + count), kept=kept, deltas=deltas,
               net=size_of(set(zone.records) ^ set(before.records)), forward=log.octets('fetch.forward'),
               trees=log.octets('fetch.difference'), whole=log.octets('fetch.whole'), history=log.octets('history.fetched'),
               received=octets, zone=len(zone.octets), current_s=current_s, history_s=history_s)


def report(rows):
    print('kB of the signed zone: net, records that one of the two versions has alone; deltas, the sum of the differences from version '
          'to version; kept, how many of them an IXFR is still given from; then what was fetched')
    print('versions  lines    net  deltas  kept |  forward   trees   whole  history  received  % of zone | current s  history s')
    for row in rows:
        kb = {name: value / 1000 for name, value in row._asdict().items()}
        print(f'{row.versions:8} {row.lines:6} {kb["net"]:6.0f} {kb["deltas"]:7.0f} {row.kept:5} | {kb["forward"]:8.1f} {kb["trees"]:7.1f} '
              f'{kb["whole"]:7.1f} {kb["history"]:8.1f} {kb["received"]:9.1f} {100 * row.received / row.zone:9.1f}% | '
              f'{row.current_s:9.2f} {row.history_s:10.2f}')
    print(f'whole zone: {rows[-1].zone / 1000:.0f} kB')


def main():
    with tempfile.TemporaryDirectory(prefix='consign-bench.') as folder:
        history, first, rows = History(folder), FIRST, []
        with Cluster(history.version(FIRST), origin='.', log_level='info') as c:
            c.start()
            for count in COUNTS:
                rows.append(measure(c, history, first, count))
                report(rows)
                first += count


main()
