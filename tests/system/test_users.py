"""Goal: the sites share nothing writable but the mesh.
Method: three nodes and the coordinator as four users without a name, each in a folder of its own with mode 0700; every file that
one of them may write lies in its own folder."""
import os
import shutil
import stat
import unittest
import unittest.mock

import cluster
from cluster import BIN, COORDINATOR, SITES, Cluster, find_tool, small_zone, wait_for

FIRST_UID = 61700


def writable_by(path, uid):
    """Whether this user, in no group but its own, may write there."""
    st = os.lstat(path)
    if stat.S_ISLNK(st.st_mode):
        return False
    if st.st_uid == uid:
        return bool(st.st_mode & stat.S_IWUSR)
    if st.st_gid == uid:
        return bool(st.st_mode & stat.S_IWGRP)
    return bool(st.st_mode & stat.S_IWOTH)


def everything(folder):
    for root, folders, files in os.walk(folder):
        yield root
        for name in files:
            yield os.path.join(root, name)


class Users(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest('only root can become three other users')
        find_tool('setpriv')

    def hand_over(self, c, name, uid):
        for path in everything(c.path(name)):
            os.chown(path, uid, uid)
        os.chmod(c.path(name), 0o700)
        c.launch[name] = ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', '--no-new-privs',
                          '--pdeathsig=KILL']

    def use_copies(self, c):
        """The build folder may be where others cannot look."""
        os.chmod(c.folder, 0o755)
        os.mkdir(c.path('bin'))
        for program in ('consign-node', 'consign-hsm', 'consign-coordinator', 'consignctl', 'consign-verify'):
            shutil.copy(os.path.join(BIN, program), c.path('bin'))
        for site in SITES:
            c.edit(site, lambda text: text.replace(f'worker: {BIN}/', f'worker: {c.path("bin")}/'))
        for document in ('cluster.yaml', 'policy.yaml', 'keyset.yaml'):
            os.chmod(c.path(document), 0o644)

    def check_nothing_shared(self, c, users):
        for name, uid in users.items():
            for path in everything(c.folder):
                if writable_by(path, uid):
                    self.assertEqual(os.path.relpath(path, c.folder).split('/')[0], name, f'{path} is writable for {name}')
            for other in set(users) - {name}:
                self.assertEqual(os.stat(c.path(other)).st_mode & 0o077, 0, other)

    def check_runs_as(self, c, name, uid):
        pids = [c.processes[name].pid] + c.processes[name].children()
        for pid in pids:
            with open(f'/proc/{pid}/status') as file:
                ids = next(line for line in file if line.startswith('Uid:')).split()[1:]
            self.assertEqual(ids, [str(uid)] * 4, f'{name}: process {pid}')

    def test_three_sites_as_three_users_release(self):
        users = {name: FIRST_UID + i for i, name in enumerate(SITES + (COORDINATOR,))}
        with Cluster(small_zone(1, 'one')) as c:
            self.use_copies(c)
            for name, uid in users.items():
                self.hand_over(c, name, uid)
            with unittest.mock.patch.object(cluster, 'BIN', c.path('bin')):
                c.start()
                c.wait_marker('one')
                for site in SITES:
                    wait_for(f'worker of {site}', lambda: c.worker(site))
                for name, uid in users.items():
                    self.check_runs_as(c, name, uid)
                self.check_nothing_shared(c, users)
                c.write_zone(small_zone(2, 'two'))
                c.wait_marker('two')
                c.assert_same_everywhere()
                self.check_nothing_shared(c, users)


if __name__ == '__main__':
    cluster.main()
