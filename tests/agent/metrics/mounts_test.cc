#include "agent/metrics/mounts.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/proc/parse.h"
#include "agent/proc/proc_root.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<Mount> ReadTree(absl::string_view file) {
  const ProcRoot root(absl::StrCat(testing::TestDataDirectory(), "/proc/"));
  return ParseMountInfo(root.Read(file).value());
}

Mount MakeMount(std::string device, std::string root, std::string point,
                std::string type = "ext4") {
  Mount mount;
  mount.device = std::move(device);
  mount.root = std::move(root);
  mount.mount_point = std::move(point);
  mount.type = std::move(type);
  return mount;
}

std::vector<std::string> Points(const SelectedMounts& selected) {
  std::vector<std::string> points;
  for (const Mount& mount : selected.mounts) {
    points.push_back(mount.mount_point);
  }
  return points;
}

std::vector<std::string> Select(std::vector<Mount> mounts) {
  return Points(SelectMounts(std::move(mounts)));
}

TEST(MountsTest, MountsOfAServer) {
  const SelectedMounts selected =
      SelectMounts(ReadTree("mounts/proc/1/mountinfo"));
  EXPECT_THAT(
      Points(selected),
      ElementsAre("/", "/boot/efi", "/btr", "/dev/shm", "/home/ann/remote",
                  "/media/My Backup\tDisk", "/mnt/emergency", "/mnt/failed",
                  "/mnt/nosource", "/net/nas", "/net/old", "/net/win", "/run",
                  "/srv/data", "/tank", "/tank/home", "/tank/vm images"));
  EXPECT_EQ(selected.excluded, 28);
  std::vector<std::string> turned;
  for (const Mount& mount : selected.mounts) {
    EXPECT_EQ(mount.read_only, mount.turned_read_only) << mount.mount_point;
    if (mount.turned_read_only) turned.push_back(mount.mount_point);
  }
  EXPECT_THAT(turned, ElementsAre("/mnt/emergency", "/mnt/failed"));
}

TEST(MountsTest, MountsOfAnLxcContainer) {
  EXPECT_THAT(Select(ReadTree("lxc/proc/1/mountinfo")), ElementsAre("/"));
}

TEST(MountsTest, TheOverlayIsTheDiskOfAContainer) {
  // Only files that the engine mounted are on a real disk.
  const SelectedMounts selected =
      SelectMounts(ReadTree("container/proc/self/mountinfo"));
  EXPECT_THAT(Points(selected), ElementsAre("/"));
  EXPECT_EQ(selected.mounts[0].type, "overlay");
  EXPECT_EQ(selected.excluded, 7);
}

TEST(MountsTest, AVolumeOfAContainerStandsForADisk) {
  EXPECT_THAT(Select({MakeMount("0:90", "/", "/", "overlay"),
                      MakeMount("8:1", "/data", "/data")}),
              ElementsAre("/data"));
}

TEST(MountsTest, OverlaysElsewhereAreNoDisks) {
  EXPECT_THAT(Select({MakeMount("0:90", "/", "/var/lib/x/merged", "overlay")}),
              IsEmpty());
  EXPECT_THAT(Select({MakeMount("0:90", "/", "/", "overlay"),
                      MakeMount("8:1", "/", "/mnt")}),
              ElementsAre("/mnt"));
}

TEST(MountsTest, OneMountForEachDevice) {
  const struct {
    const char* what;
    std::vector<Mount> mounts;
    std::vector<std::string> points;
  } kCases[] = {
      {"bind mounts show a part",
       {MakeMount("8:1", "/www", "/a"), MakeMount("8:1", "/", "/srv/data"),
        MakeMount("8:1", "/w", "/b")},
       {"/srv/data"}},
      {"of two whole ones the shorter point",
       {MakeMount("8:1", "/", "/mnt/longer"), MakeMount("8:1", "/", "/mnt")},
       {"/mnt"}},
      {"of two of one length the first by name, in any order",
       {MakeMount("8:1", "/", "/b"), MakeMount("8:1", "/", "/a")},
       {"/a"}},
      {"the same",
       {MakeMount("8:1", "/", "/a"), MakeMount("8:1", "/", "/b")},
       {"/a"}},
      {"subvolumes are one file system",
       {MakeMount("0:55", "/@snapshots", "/a", "btrfs"),
        MakeMount("0:55", "/@data", "/btr", "btrfs")},
       {"/btr"}},
      {"devices of one size are several",
       {MakeMount("8:1", "/", "/a"), MakeMount("8:17", "/", "/b")},
       {"/a", "/b"}},
      {"the last mount on a point covers those before",
       {MakeMount("8:1", "/", "/mnt"), MakeMount("8:17", "/", "/mnt", "xfs")},
       {"/mnt"}},
      {"a disk below an image cannot be seen",
       {MakeMount("8:1", "/", "/mnt"), MakeMount("7:0", "/", "/mnt", "erofs")},
       {}},
      {"a disk on an automount point can",
       {MakeMount("0:9", "/", "/net/x", "autofs"),
        MakeMount("0:60", "/", "/net/x", "nfs4")},
       {"/net/x"}},
  };
  for (const auto& test : kCases) {
    const SelectedMounts selected = SelectMounts(test.mounts);
    EXPECT_EQ(Points(selected), test.points) << test.what;
    EXPECT_EQ(selected.excluded,
              static_cast<int>(test.mounts.size() - test.points.size()))
        << test.what;
  }
  EXPECT_EQ(SelectMounts({MakeMount("8:1", "/", "/mnt"),
                          MakeMount("8:17", "/", "/mnt", "xfs")})
                .mounts[0]
                .device,
            "8:17");
}

TEST(MountsTest, InternalsOfTheSystemAndOfContainerEnginesAreLeftOut) {
  const struct {
    const char* point;
    bool counts;
  } kCases[] = {
      {"/", true},
      {"/dev", false},
      {"/dev/shm", false},  // but for a tmpfs
      {"/device", true},
      {"/proc", false},
      {"/proc/meminfo", false},
      {"/process", true},
      {"/sys/fs/x", false},
      {"/system", true},
      {"/run/credentials/x.service", false},
      {"/run/media/ann/stick", true},
      {"/var/lib/docker", true},  // a disk of its own
      {"/var/lib/docker/overlay2/x/merged", false},
      {"/var/lib/docker-data", true},
      {"/var/lib/containers/storage", true},
      {"/var/lib/containers/storage/overlay/x", false},
      {"/run/containerd/io.containerd.grpc.v1.cri/sandboxes/x/shm", false},
      {"/run/containers/storage/overlay-containers/x/userdata/shm", false},
      {"/run/k3s/containerd/x/shm", false},
      {"/var/lib/k0s/kubelet/pods/x/volumes/y", false},
      {"/var/lib/kubelet", true},
      {"/var/lib/kubelet/pods", true},
      {"/var/lib/kubelet/pods/x/volumes/y", false},
      {"/var/lib/containerd", true},
      {"/var/lib/containerd/io.x", false},
      {"/etc/hosts", false},
      {"/etc/hostname", false},
      {"/etc/resolv.conf", false},
      {"/etc", true},
      {"/etc/hosts.d", true},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Select({MakeMount("8:1", "/", test.point)}).size(),
              test.counts ? 1u : 0u)
        << test.point;
  }
}

TEST(MountsTest, PseudoFileSystemsAreLeftOut) {
  for (const char* type :
       {"devtmpfs",        "squashfs",    "autofs",     "cgroup",
        "cgroup2",         "proc",        "sysfs",      "tracefs",
        "debugfs",         "overlay",     "aufs",       "nsfs",
        "ramfs",           "iso9660",     "fuse.lxcfs", "fuse.snapfuse",
        "fuse.gvfsd-fuse", "binfmt_misc", "bpf",        "mqueue",
        "hugetlbfs",       "rpc_pipefs",  "erofs"}) {
    EXPECT_THAT(Select({MakeMount("8:1", "/", "/mnt", type)}), IsEmpty())
        << type;
  }
  for (const char* type :
       {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "vfat", "exfat", "ntfs3",
        "fuseblk", "f2fs", "bcachefs", "jfs", "udf", "nfs4", "fuse.sshfs", "9p",
        "virtiofs"}) {
    EXPECT_THAT(Select({MakeMount("8:1", "/", "/mnt", type)}),
                ElementsAre("/mnt"))
        << type;
  }
}

TEST(MountsTest, NothingMountedIsNothingSelected) {
  const SelectedMounts selected = SelectMounts({});
  EXPECT_THAT(selected.mounts, IsEmpty());
  EXPECT_EQ(selected.excluded, 0);
}

// What is left of `mountinfo`: "/var" and, with a mark, "/ ro" and "/ TURNED".
std::vector<std::string> Rows(absl::string_view mountinfo,
                              const MountIntents& intents = {}) {
  std::vector<std::string> rows;
  for (const Mount& mount :
       SelectMounts(ParseMountInfo(mountinfo), intents).mounts) {
    EXPECT_TRUE(mount.read_only || !mount.turned_read_only);
    rows.push_back(absl::StrCat(mount.mount_point, mount.turned_read_only
                                                       ? " TURNED"
                                                   : mount.read_only ? " ro"
                                                                     : ""));
  }
  return rows;
}

TEST(MountsTest, WhatIsWrittenToStandsForItsDevice) {
  const struct {
    const char* what;
    const char* mountinfo;
    std::vector<std::string> rows;
  } kCases[] = {
      {"ostree: /sysroot shows all of it, and only that may not be written to",
       "40 1 253:4 /ostree/deploy/os/deploy/abc.0 / rw - xfs /dev/vda4 rw\n"
       "41 40 253:4 / /sysroot ro,relatime - xfs /dev/vda4 rw\n"
       "42 40 253:4 /ostree/deploy/os/var /var rw - xfs /dev/vda4 rw\n"
       "43 40 253:4 /ostree/deploy/os/deploy/abc.0/etc /etc rw - xfs d rw\n"
       "44 40 253:3 / /boot ro,nosuid - ext4 /dev/vda3 rw\n",
       {"/", "/boot ro"}},
      {"an image as the root, and what is written to below it",
       "40 1 0:33 / / ro - overlay composefs ro,lowerdir+=/a,datadir+=/b\n"
       "41 40 253:4 / /sysroot ro,relatime - xfs /dev/vda4 rw\n"
       "42 40 253:4 /ostree/deploy/os/var /var rw - xfs /dev/vda4 rw\n"
       "43 40 253:4 /ostree/deploy/os/deploy/abc.0/etc /etc rw - xfs d rw\n",
       {"/var"}},
      {"subvolumes: the root's is a snapshot that is not written to",
       "40 1 0:33 /@/.snapshots/1/snapshot / ro - btrfs /dev/vda3 rw\n"
       "41 40 0:33 /@/var /var rw - btrfs /dev/vda3 rw,subvol=/@/var\n"
       "42 40 0:33 /@/home /home rw - btrfs /dev/vda3 rw,subvol=/@/home\n",
       {"/"}},
      {"subvolumes without the root's",
       "42 1 0:33 /@/home /home rw - btrfs /dev/vda3 rw,subvol=/@/home\n"
       "41 1 0:33 / /top ro - btrfs /dev/vda3 rw,subvol=/\n",
       {"/home"}},
      {"a bind mount that is not written to",
       "40 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n"
       "41 1 8:1 / /s ro - ext4 /dev/sda1 rw\n",
       {"/srv"}},
      {"nor is the whole; a part is",
       "40 1 8:1 / /all ro - ext4 /dev/sda1 rw\n"
       "41 1 8:1 /www /srv/www rw - ext4 /dev/sda1 rw\n",
       {"/srv/www"}},
      {"written to where it is no row",
       "40 1 8:1 / /all ro - ext4 /dev/sda1 rw\n"
       "41 1 8:1 /p /var/lib/kubelet/pods/x/volumes/y rw - ext4 d rw\n",
       {"/all"}},
      {"a covered mount says nothing",
       "40 1 8:1 / /a rw - ext4 /dev/sda1 rw\n"
       "41 1 8:1 / /a ro - ext4 /dev/sda1 rw\n",
       {"/a ro"}},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Rows(test.mountinfo), test.rows) << test.what;
  }
}

TEST(MountsTest, AnOverlayIsKeptWhereNothingElseIsWrittenTo) {
  const struct {
    const char* what;
    const char* mountinfo;
    std::vector<std::string> rows;
  } kCases[] = {
      {"a live system from a stick",
       "40 1 0:30 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b\n"
       "41 40 8:1 / /run/live/medium ro - vfat /dev/sda1 ro\n"
       "42 40 7:0 / /run/live/rootfs ro - squashfs /dev/loop0 ro\n"
       "43 40 0:31 / /run/live/overlay rw - tmpfs tmpfs rw\n",
       {"/", "/run/live/medium ro", "/run/live/overlay"}},
      {"a container with a share and a configuration",
       "40 1 0:30 / / rw - overlay overlay rw\n"
       "41 40 0:60 / /share rw - nfs4 nas:/x rw\n"
       "42 40 8:1 /c /config ro - ext4 /dev/sda1 rw\n",
       {"/", "/config ro", "/share"}},
      {"with a disk, which its layers are on",
       "40 1 0:30 / / rw - overlay overlay rw\n"
       "42 40 8:1 / /data rw - ext4 /dev/sda1 rw\n",
       {"/data"}},
      {"with a disk that failed",
       "40 1 0:30 / / rw - overlay overlay rw\n"
       "42 40 8:1 / /data rw - ext4 /dev/sda1 ro\n",
       {"/data TURNED"}},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Rows(test.mountinfo), test.rows) << test.what;
  }
}

TEST(MountsTest, WhatIsInMemoryIsARowWhereItMayFill) {
  EXPECT_THAT(Rows("27 1 0:2 / / rw - rootfs rootfs rw\n"
                   "28 27 0:30 / / rw,relatime - tmpfs tmpfs rw,size=8G\n"
                   "29 28 0:31 / /tmp rw - tmpfs tmpfs rw,size=1G\n"),
              ElementsAre("/", "/tmp"));
  EXPECT_THAT(Rows("1 0 0:31 /lock /run/lock rw - tmpfs tmpfs rw\n"
                   "2 0 0:32 /new / rw - tmpfs tmpfs rw\n"),
              ElementsAre("/"))
      << "a part";
  const struct {
    const char* point;
    const char* type;
    const char* options;
    bool counts;
  } kCases[] = {
      {"/", "tmpfs", "rw", true},
      {"/", "tmpfs", "ro", true},
      {"/", "ramfs", "rw", true},
      {"/", "rootfs", "rw", true},
      {"/tmp", "tmpfs", "rw", true},
      {"/run", "tmpfs", "rw,nosuid", true},
      {"/run/user/1000", "tmpfs", "rw", true},
      {"/dev/shm", "tmpfs", "rw", true},
      {"/tmp", "tmpfs", "ro", false},  // does not fill up
      {"/tmp", "ramfs", "rw", false},  // has no size
      {"/dev", "tmpfs", "rw", false},
      {"/dev/shm/x", "tmpfs", "rw", false},
      {"/dev/shm", "devtmpfs", "rw", false},
      {"/sys/fs/cgroup", "tmpfs", "rw", false},
      {"/run/credentials/x.service", "tmpfs", "rw", false},
      {"/run/credentials/x.service", "ramfs", "ro", false},
      {"/var/lib/kubelet/pods/x/volumes/y", "tmpfs", "rw", false},
      {"/run/containerd/x/shm", "tmpfs", "rw", false},
      {"/var/lib/docker/containers/x/mounts/shm", "tmpfs", "rw", false},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(Rows(absl::StrCat("1 0 0:9 / ", test.point, " ", test.options,
                                  " - ", test.type, " none ", test.options)),
                SizeIs(test.counts ? 1 : 0))
        << test.point << " " << test.type << " " << test.options;
  }
}

TEST(MountsTest, WhatOughtToBeWrittenToHasTurned) {
  const MountIntents unknown;
  const auto fstab = [](absl::string_view text) {
    return MountIntents{ParseFstab(text), false};
  };
  const MountIntents sealed = {{}, true};
  const struct {
    const char* what;
    const char* mountinfo;
    MountIntents intents;
    const char* row;
  } kCases[] = {
      {"what errors=remount-ro leaves",
       "1 0 8:1 / /a rw - ext4 /dev/sda1 ro,errors=remount-ro", unknown,
       "/a TURNED"},
      {"whatever the type", "1 0 0:33 / /a rw - btrfs /dev/sda1 ro", unknown,
       "/a TURNED"},
      {"vfat, too", "1 0 8:1 / /boot/efi rw - vfat d ro,errors=remount-ro",
       unknown, "/boot/efi TURNED"},
      {"ext4 of Linux 6.14", "1 0 8:1 / /a rw - ext4 d rw,emergency_ro",
       unknown, "/a TURNED"},
      {"which is also said of what is not written to",
       "1 0 8:1 / /a ro - ext4 d ro,emergency_ro", unknown, "/a TURNED"},
      {"no mount of it can be written to any more",
       "1 0 8:1 /os / rw - ext4 d ro\n2 1 8:1 / /sysroot ro - ext4 d ro",
       unknown, "/ TURNED"},
      {"the root after a remount",
       "1 0 8:1 / / ro,relatime - ext4 /dev/sda1 ro,errors=remount-ro", unknown,
       "/ TURNED"},
      {"the root that was never mounted for writing",
       "1 0 8:1 / / ro - xfs /dev/sda1 ro", unknown, "/ TURNED"},
      {"as it ought to be", "1 0 8:1 / / ro - xfs /dev/sda1 ro",
       fstab("/dev/sda1 / xfs defaults 0 1"), "/ TURNED"},
      {"as it ought not to be",
       "1 0 8:1 / / ro - ext4 /dev/sda1 ro,errors=remount-ro",
       fstab("/dev/sda1 / ext4 ro,errors=remount-ro 0 1"), "/ ro"},
      {"unless it was", "1 0 8:1 / / rw - ext4 /dev/sda1 ro",
       fstab("/dev/sda1 / ext4 ro 0 1"), "/ TURNED"},
      {"elsewhere /etc/fstab must say so", "1 0 8:1 / /a ro - ext4 d ro",
       fstab("/dev/sda1 / ext4 defaults 0 1"), "/a ro"},
      {"and does", "1 0 8:1 / /a ro - ext4 d ro",
       fstab("/dev/sda1 /a/ ext4 defaults 0 1"), "/a TURNED"},
      {"or the contrary", "1 0 8:1 / /a ro - ext4 d ro",
       fstab("/dev/sda1 /a ext4 ro 0 1"), "/a ro"},
      {"or leaves it to who mounts it", "1 0 8:1 / /a ro - ext4 d ro",
       fstab("/dev/sda1 /a ext4 noauto 0 1"), "/a ro"},
      {"dm-verity", "1 0 253:0 / / ro - ext4 /dev/dm-0 ro", sealed, "/ ro"},
      {"only a mount is read-only", "1 0 8:1 / / ro - ext4 d rw",
       fstab("d / ext4 defaults 0 1"), "/ ro"},
      {"drivers that only read", "1 0 8:1 / /w rw - ntfs d ro",
       fstab("d /w ntfs defaults 0 1"), "/w ro"},
      {"media that are made once", "1 0 11:0 / /cd rw - udf d ro",
       fstab("d /cd udf defaults 0 1"), "/cd ro"},
      {"a property of ZFS", "1 0 0:50 / /tank rw - zfs tank ro", unknown,
       "/tank ro"},
      {"an export of another machine", "1 0 0:60 / /nas rw - nfs4 nas:/x ro",
       fstab("nas:/x /nas nfs4 defaults 0 1"), "/nas ro"},
      {"layers of images only", "1 0 0:30 / / rw - overlay o ro,lowerdir=/a:/b",
       unknown, "/ ro"},
      {"NTFS that was not shut down", "1 0 8:1 / /w ro - fuseblk d ro",
       fstab("d /w ntfs-3g defaults 0 1"), "/w TURNED"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(Rows(test.mountinfo, test.intents), ElementsAre(test.row))
        << test.what << ": " << test.mountinfo;
  }
}

TEST(MountsTest, TheHostSaysWhatItsRootIs) {
  const struct {
    const char* what;
    const char* source;
    const char* options;
    const char* uuid;  // of the device mapper; empty: no file
    bool in_sysfs;
    bool sealed;
  } kCases[] = {
      {"a disk", "/dev/sda1", "ro", "", true, false},
      {"a disk, without /sys", "/dev/sda1", "ro", "", false, false},
      {"verity", "/dev/dm-0", "ro", "CRYPT-VERITY-1-root\n", true, true},
      {"a volume", "/dev/mapper/vg-root", "ro", "LVM-abc\n", true, false},
      {"mapped, without /sys", "/dev/mapper/root", "ro", "", false, true},
      {"and mounted with a reaction to errors", "/dev/mapper/root",
       "ro,errors=remount-ro", "", false, false},
  };
  for (const auto& test : kCases) {
    TempDirectory directory;
    directory.Write("etc/fstab", "/dev/x /srv ext4 ro 0 0\n");
    if (test.in_sysfs) directory.Write("sys/dev/block/253:0/dev", "253:0\n");
    if (*test.uuid != '\0') {
      directory.Write("sys/dev/block/253:0/dm/uuid", test.uuid);
    }
    const MountIntents intents = ReadMountIntents(
        ProcRoot(directory.path()),
        ParseMountInfo(absl::StrCat("1 0 0:2 / / rw - rootfs rootfs rw\n"
                                    "2 1 253:0 / / ro - ext4 ",
                                    test.source, " ", test.options, "\n")));
    EXPECT_EQ(intents.root_is_sealed, test.sealed) << test.what;
    ASSERT_THAT(intents.fstab, SizeIs(1)) << test.what;
    EXPECT_EQ(intents.fstab[0].mount_point, "/srv") << test.what;
  }
  TempDirectory empty;
  const MountIntents none = ReadMountIntents(ProcRoot(empty.path()), {});
  EXPECT_FALSE(none.root_is_sealed);
  EXPECT_THAT(none.fstab, IsEmpty());
}

}  // namespace
}  // namespace specula::agent
