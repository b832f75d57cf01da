#!/usr/bin/env python3
"""A file system that shows a directory, and stops answering while a file is there.

  hanging_fs.py MOUNTPOINT DIRECTORY FLAG
"""
import errno
import os
import sys
import time

from fusepy import FUSE, FuseOSError, Operations

MOUNTPOINT, DIRECTORY, FLAG = sys.argv[1:4]


class HangingFs(Operations):
    def __call__(self, operation, path, *arguments):
        while os.path.exists(FLAG):
            time.sleep(0.05)
        try:
            return getattr(self, operation)(DIRECTORY + path, *arguments)
        except OSError as error:
            raise FuseOSError(error.errno or errno.EIO) from error

    def access(self, path, mode):
        return 0

    def getattr(self, path, handle=None):
        info = os.lstat(path)
        return {key: getattr(info, key) for key in ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink",
                                                    "st_size", "st_uid")}

    def readdir(self, path, handle):
        return [".", "..", *os.listdir(path)]

    def statfs(self, path):
        info = os.statvfs(path)
        return {key: getattr(info, key) for key in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree",
                                                    "f_files", "f_flag", "f_frsize", "f_namemax")}

    def open(self, path, flags):
        return os.open(path, flags)

    def create(self, path, mode, info=None):
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, handle):
        return os.pread(handle, size, offset)

    def write(self, path, data, offset, handle):
        # The kernel gives a file that was opened for appending its end as offset; pwrite would do without.
        return os.pwrite(handle, data, offset)

    def truncate(self, path, length, handle=None):
        os.truncate(path, length)

    def fsync(self, path, data_only, handle):
        os.fsync(handle)

    def release(self, path, handle):
        os.close(handle)

    def chmod(self, path, mode):
        os.chmod(path, mode)

    def chown(self, path, user, group):
        os.lchown(path, user, group)

    def mkdir(self, path, mode):
        os.mkdir(path, mode)

    def rmdir(self, path):
        os.rmdir(path)

    def unlink(self, path):
        os.unlink(path)

    def rename(self, old, new):
        os.rename(old, DIRECTORY + new)

    def readlink(self, path):
        return os.readlink(path)

    def utimens(self, path, times=None):
        os.utime(path, times)


FUSE(HangingFs(), MOUNTPOINT, foreground=True, allow_other=True, default_permissions=True, attr_timeout=0, entry_timeout=0,
     direct_io=True)
