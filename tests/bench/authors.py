"""The part `authors` of run.sh: how many signatures a second three HSMs give against one, where the HSMs are what a round waits for.
One cluster whose tokens are slowed down to RATE signatures a second each (p11wrap); a round with 1, 2 and 3 authors, the other
sites in maintenance; every round has as many new names. The signing phase lasts from the first `round.sign` of any site to the
last author's `round.signed`, the round from the first `round.compute` to the last `round.released`."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'system'))
from cluster import COORDINATOR, SITES, Cluster, wait_for
from test_hsm_faults import wrap

RATE, NAMES, PATIENCE_S = int(sys.argv[1]), int(sys.argv[2]), 600
LINE = re.compile(r'^(?:<\d>)?(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z \w+ \S+ \S+ round\.(\w+) zone \S+ serial (\d+)(?:: (\d+))?', re.M)


def zone(serial):
    """As many names in each, all others than before: NSEC and DS of each are signed anew."""
    lines = ['$ORIGIN xc.', '$TTL 86400', f'@ IN SOA a.nic hostmaster.nic {serial} 7200 900 604800 3600', '@ IN NS a.nic',
             'a.nic IN A 192.0.2.1', f'marker IN TXT "v{serial}"']
    for i in range(NAMES):
        lines += [f'r{serial}-{i} IN NS a.nic', f'r{serial}-{i} IN DS {i % 65536} 13 2 {"0" * 64}']
    return '\n'.join(lines) + '\n'


def events(c):
    """(site, event, seconds, serial, number) of all sites' rounds."""
    for site in SITES:
        for year, month, day, hour, minute, second, event, serial, number in LINE.findall(c.log(site)):
            yield site, event, (int(day) * 24 + int(hour)) * 3600 + int(minute) * 60 + float(second), int(serial), int(number or 0)


def order(c, word, site):
    done = c.ctl('zrh', 'maintenance', word, site, '--reason', 'bench', '--cluster', c.path('cluster.yaml'), '--key',
                 c.path('operator', 'duty.key'))
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(f'all know of {site}', lambda: all(c.site_status(at, site)['maintenance'] == (word == 'on') for at in SITES))
    time.sleep(3)  # the leader hears reports every 2 s


def measure(c, serial):
    """Seconds of the signing phase and of the round, signatures of each author."""
    c.write_zone(zone(serial))
    c.wait_marker(f'v{serial}', seconds=PATIENCE_S)
    wait_for('the last release', lambda: len({c.serial(site) for site in SITES}) == 1)
    now = [event for event in events(c) if event[3] == c.serial('zrh')]
    shares = {site: number for site, what, _, _, number in now if what == 'signed' and number > 0}
    times = {what: [s for site, event, s, _, _ in now if event == what and (what != 'signed' or site in shares)]
             for what in ('compute', 'sign', 'signed', 'released')}
    return max(times['signed']) - min(times['sign']), max(times['released']) - min(times['compute']), shares


def main():
    with Cluster(zone(1), log_level='info') as c:
        for site in SITES:
            wrap(c, site, deadline='120s')(f'slow:{RATE}')
        c.start()
        c.wait_marker('v1', seconds=PATIENCE_S)
        wait_for('three that can sign', lambda: all(c.site_status(COORDINATOR, site)['hsm'] == 'ok' for site in SITES))
        print(f'authors: each HSM {RATE} signatures a second at most, {2 * NAMES} signatures and some a round')
        print('authors   signatures   signing s   signatures/s   ratio   round s   shares')
        single = None
        for serial, count in enumerate((1, 2, 3), start=2):
            for site in SITES:
                is_out, wanted = c.site_status('zrh', site)['maintenance'], SITES.index(site) >= count
                if is_out != wanted:
                    order(c, 'on' if wanted else 'off', site)
            signing, whole, shares = measure(c, serial)
            rate = sum(shares.values()) / signing
            single = single or rate
            print(f'{len(shares):7} {sum(shares.values()):12} {signing:11.2f} {rate:14.0f} {rate / single:7.2f} {whole:9.2f}   ' +
                  ' '.join(f'{site} {number}' for site, number in shares.items()), flush=True)


main()
