"""Thousands of small zones beside a cluster's first: a listing at each site, one policy, a key set file a zone with the same
keys. For test_many.py and the bench."""
import os

import cluster

MARK = 'mark'


def name_of(number):
    return f'z{number:05}.many.'


def zone_text(number, serial, names=4, marker=''):
    """10 records with names = 4: SOA, 2 NS, 2 addresses, a TXT, and one delegation each."""
    lines = [f'$ORIGIN {name_of(number)}', '$TTL 3600', f'@ IN SOA ns1 hostmaster {serial} 7200 900 604800 3600',
             '@ IN NS ns1', '@ IN NS ns2', 'ns1 IN A 192.0.2.1', 'ns2 IN A 192.0.2.2', f'{MARK} IN TXT "{marker}"']
    lines += [f'd{i} IN NS ns.example.' for i in range(names)]
    return '\n'.join(lines) + '\n'


def add(c, count):
    """Makes the files of `count` zones and names them in the configuration of every process of a cluster that was not started."""
    with open(c.path('many.names'), 'w') as file:
        file.writelines(f'{name_of(i)}\n' for i in range(count))
    with open(c.path('keyset.yaml')) as file:
        keyset = file.read()
    os.makedirs(c.path('keys'))
    for i in range(count):
        with open(c.path('keys', f'{name_of(i)[:-1]}.yaml'), 'w') as file:
            file.write(keyset.replace(f'zone: {c.origin}', f'zone: {name_of(i)}', 1))
    for site in c.sites:
        os.makedirs(c.path(site, 'many'))
        input_line = '    input: many/{zone}\n'
        tokens = '    token-keys: [{key: ksk, label: ksk}, {key: zsk, label: zsk}]\n' if site in cluster.SITES else ''
        c.edit(site, lambda text: text + listing(input_line + tokens))
    for name in c.coordinators:
        c.edit(name, lambda text: text + listing(''))
    write(c, range(count), 1)


def listing(more):
    return ('zone-lists:\n  - names: ../many.names\n    policy: ../policy.yaml\n    keys: ../keys/{zone}.yaml\n' + more)


def write(c, numbers, serial, marker='', sites=None):
    """A version of the inputs at these sites, each renamed into place."""
    for number in numbers:
        text = zone_text(number, serial, marker=marker)
        for site in sites or c.sites:
            path = c.path(site, 'many', name_of(number)[:-1])
            with open(path + '.new', 'w') as file:
                file.write(text)
            os.rename(path + '.new', path)
