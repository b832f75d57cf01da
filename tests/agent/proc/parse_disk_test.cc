#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ParseMountInfoTest, EachColumnHasItsField) {
  const std::vector<Mount> mounts = ParseMountInfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root "
      "rw,errors=continue\n");
  ASSERT_THAT(mounts, SizeIs(1));
  EXPECT_EQ(mounts[0].id, 36);
  EXPECT_EQ(mounts[0].device, "98:0");
  EXPECT_EQ(mounts[0].root, "/mnt1");
  EXPECT_EQ(mounts[0].mount_point, "/mnt2");
  EXPECT_EQ(mounts[0].type, "ext3");
  EXPECT_EQ(mounts[0].source, "/dev/root");
  EXPECT_FALSE(mounts[0].read_only);
}

TEST(ParseMountInfoTest, AnyNumberOfOptionalFieldsIsSkipped) {
  for (absl::string_view optional :
       {"", "shared:1 ", "shared:1 master:2 ",
        "shared:1 master:2 propagate_from:3 unbindable ", "-x a- "}) {
    const std::vector<Mount> mounts = ParseMountInfo(
        absl::StrCat("1 2 3:4 / /a rw ", optional, "- xfs /dev/sda rw\n"));
    ASSERT_THAT(mounts, SizeIs(1)) << optional;
    EXPECT_EQ(mounts[0].mount_point, "/a") << optional;
    EXPECT_EQ(mounts[0].type, "xfs") << optional;
    EXPECT_EQ(mounts[0].source, "/dev/sda") << optional;
  }
}

TEST(ParseMountInfoTest, OctalEscapesAreUndone) {
  struct Case {
    absl::string_view escaped;
    absl::string_view plain;
  };
  for (const Case& c : {
           Case{R"(/a\040b)", "/a b"},
           Case{R"(/a\011b)", "/a\tb"},
           Case{R"(/a\012b)", "/a\nb"},
           Case{R"(/a\134b)", R"(/a\b)"},
           Case{R"(/a\043b)", "/a#b"},
           Case{R"(/\040\040)", "/  "},
           // One pass only: what a backslash and digits decode to is text.
           Case{R"(/a\134040b)", R"(/a\040b)"},
           Case{R"(/\303\251)", "/\303\251"},
           Case{R"(/a\04)", R"(/a\04)"},
           Case{R"(/a\)", R"(/a\)"},
           Case{R"(/a\0408)", "/a 8"},
           Case{R"(/a\080b)", R"(/a\080b)"},
           Case{R"(/a\777b)", R"(/a\777b)"},
           Case{R"(/a\000b)", R"(/a\000b)"},
       }) {
    const std::vector<Mount> mounts = ParseMountInfo(
        absl::StrCat("1 2 3:4 ", c.escaped, " ", c.escaped, " rw - fuse.",
                     c.escaped, " ", c.escaped, " rw\n"));
    ASSERT_THAT(mounts, SizeIs(1)) << c.escaped;
    EXPECT_EQ(mounts[0].root, c.plain);
    EXPECT_EQ(mounts[0].mount_point, c.plain);
    EXPECT_EQ(mounts[0].type, absl::StrCat("fuse.", c.plain));
    EXPECT_EQ(mounts[0].source, c.plain);
  }
}

TEST(ParseMountInfoTest, ReadOnlyByMountOrBySuperBlock) {
  struct Case {
    absl::string_view mount_options;
    absl::string_view super_options;
    bool read_only;
  };
  for (const Case& c : {
           Case{"rw", "rw", false},
           Case{"ro", "rw", true},
           Case{"rw", "ro", true},
           Case{"ro", "ro", true},
           Case{"nosuid,ro,nodev", "rw", true},
           Case{"rw", "rw,emergency_ro", true},
           Case{"rw,nodev", "rw,errors=remount-ro", false},
           Case{"rw,relatime", "rw,ro=1,prodigy,nro", false},
       }) {
    const std::vector<Mount> mounts =
        ParseMountInfo(absl::StrCat("1 2 3:4 / /a ", c.mount_options,
                                    " shared:1 - ext4 /d ", c.super_options));
    ASSERT_THAT(mounts, SizeIs(1));
    EXPECT_EQ(mounts[0].read_only, c.read_only)
        << c.mount_options << " " << c.super_options;
  }
}

TEST(ParseMountInfoTest, WhatMadeItReadOnlyIsToldApart) {
  struct Case {
    absl::string_view mount_options;
    absl::string_view super_options;
    bool own_read_only;
    SuperBlock super_block;
    bool remounts_on_error;
  };
  for (const Case& c : {
           Case{"rw", "rw", false, SuperBlock::kWritable, false},
           Case{"ro,relatime", "rw", true, SuperBlock::kWritable, false},
           Case{"rw", "ro", false, SuperBlock::kReadOnly, false},
           Case{"ro", "ro,errors=remount-ro", true, SuperBlock::kReadOnly,
                true},
           Case{"rw", "rw,errors=remount-ro", false, SuperBlock::kWritable,
                true},
           Case{"rw", "rw,errors=continue", false, SuperBlock::kWritable,
                false},
           Case{"rw", "rw,emergency_ro", false, SuperBlock::kFailed, false},
           Case{"rw", "emergency_ro,ro", false, SuperBlock::kFailed, false},
           Case{"rw", "rw,shutdown", false, SuperBlock::kFailed, false},
           // Options of the super block alone end writing for all mounts.
           Case{"rw,shutdown", "rw", false, SuperBlock::kWritable, false},
       }) {
    const std::vector<Mount> mounts =
        ParseMountInfo(absl::StrCat("1 2 3:4 / /a ", c.mount_options,
                                    " shared:1 - ext4 /d ", c.super_options));
    ASSERT_THAT(mounts, SizeIs(1));
    const std::string what =
        absl::StrCat(c.mount_options, " ", c.super_options);
    EXPECT_EQ(mounts[0].own_read_only, c.own_read_only) << what;
    EXPECT_EQ(mounts[0].super_block, c.super_block) << what;
    EXPECT_EQ(mounts[0].remounts_on_error, c.remounts_on_error) << what;
    EXPECT_FALSE(mounts[0].turned_read_only) << what;
  }
}

TEST(ParseMountInfoTest, BindMountsShareTheDeviceAndTellTheirRoot) {
  const std::vector<Mount> mounts = ParseMountInfo(
      "60 28 253:0 / /srv/data rw shared:40 - xfs /dev/mapper/vg0-data rw\n"
      "61 28 253:0 /www /var/www rw shared:40 - xfs /dev/mapper/vg0-data rw\n");
  ASSERT_THAT(mounts, SizeIs(2));
  EXPECT_EQ(mounts[0].device, mounts[1].device);
  EXPECT_EQ(mounts[0].root, "/");
  EXPECT_EQ(mounts[1].root, "/www");
}

TEST(ParseMountInfoTest, EmptySourceShiftsNoField) {
  const std::vector<Mount> mounts =
      ParseMountInfo("1 2 0:4 / /a rw - tmpfs  ro,size=4k\n");
  ASSERT_THAT(mounts, SizeIs(1));
  EXPECT_EQ(mounts[0].type, "tmpfs");
  EXPECT_EQ(mounts[0].source, "");
  EXPECT_TRUE(mounts[0].read_only);
}

TEST(ParseMountInfoTest, OrderOfTheFileIsKept) {
  EXPECT_THAT(ParseMountInfo("9 1 0:1 / /z rw - t s rw\n"
                             "2 1 0:2 / /a rw - t s rw\n"
                             "5 1 0:1 / /z rw - t s rw\n"),
              ElementsAre(Field(&Mount::id, 9), Field(&Mount::id, 2),
                          Field(&Mount::id, 5)));
}

TEST(ParseMountInfoTest, LinesThatAreNotUnderstoodArePassedOver) {
  for (absl::string_view odd :
       {"", " ", "1", "1 2 3:4 / /a rw", "1 2 3:4 / /a rw shared:1",
        "1 2 3:4 / /a rw -", "1 2 3:4 / /a rw - ", "x 2 3:4 / /a rw - t s rw",
        "1 2 3:4 /  rw - t s rw", " 1 2 3:4 / /a rw - t s rw"}) {
    EXPECT_THAT(
        ParseMountInfo(absl::StrCat(odd, "\n1 2 3:4 / /good rw - t s rw\n")),
        ElementsAre(Field(&Mount::mount_point, "/good")))
        << odd;
  }
}

TEST(ParseFstabTest, EntriesSayWhetherTheyAreWrittenTo) {
  struct Case {
    absl::string_view line;
    absl::string_view mount_point;
    bool read_only;
    bool at_boot;
  };
  for (const Case& c : {
           Case{"UUID=1-2 / ext4 errors=remount-ro 0 1", "/", false, true},
           Case{"/dev/sda1\t/boot\text2\tro,nodev\t0 2", "/boot", true, true},
           Case{"  LABEL=x  /a  xfs  defaults", "/a", false, true},
           Case{"/dev/sda1 /a xfs", "/a", false, true},
           Case{"/dev/sda1 /a", "/a", false, true},
           Case{"/dev/sr0 /media/cd udf,iso9660 user,noauto 0 0", "/media/cd",
                false, false},
           Case{R"(/dev/sda1 /my\040disk ext4 ro 0 0)", "/my disk", true, true},
           Case{"/dev/sda1 /a/ ext4 ro 0 0\r", "/a", true, true},
           Case{"/dev/sda1 // ext4 ro 0 0", "/", true, true},
           // As for mount(8) the last one counts.
           Case{"/dev/sda1 /a ext4 ro,rw 0 0", "/a", false, true},
           Case{"/dev/sda1 /a ext4 rw,ro 0 0", "/a", true, true},
           Case{"/dev/sda1 /a ext4 errors=ro,roo,nro 0 0", "/a", false, true},
       }) {
    const std::vector<FstabEntry> entries = ParseFstab(c.line);
    ASSERT_THAT(entries, SizeIs(1)) << c.line;
    EXPECT_EQ(entries[0].mount_point, c.mount_point) << c.line;
    EXPECT_EQ(entries[0].read_only, c.read_only) << c.line;
    EXPECT_EQ(entries[0].at_boot, c.at_boot) << c.line;
  }
}

TEST(ParseFstabTest, WhatIsMountedNowhereIsPassedOver) {
  EXPECT_THAT(ParseFstab("# /etc/fstab: static\n"
                         "#/dev/sda1 / ext4 ro 0 1\n"
                         "  # /dev/sda1 /b ext4 ro 0 1\n"
                         "\n"
                         "UUID=3 none swap sw 0 0\n"
                         "/swapfile swap swap defaults 0 0\n"
                         "nonsense\n"
                         "proc /proc proc defaults 0 0\n"
                         "/dev/sda1 / ext4 defaults 0 1"),
              ElementsAre(Field(&FstabEntry::mount_point, "/proc"),
                          Field(&FstabEntry::mount_point, "/")));
  EXPECT_THAT(ParseFstab(""), IsEmpty());
}

TEST(ParseDiskStatsTest, EachColumnHasItsFieldInEveryGeneration) {
  for (absl::string_view rest :
       {"", " 12 13 14 15", " 12 13 14 15 16 17", " 12 13 14 15 16 17 18"}) {
    const std::vector<DiskCounters> disks = ParseDiskStats(
        absl::StrCat("   8       0 sda 1 2 3 4 5 6 7 8 9 10 11", rest, "\n"));
    ASSERT_THAT(disks, SizeIs(1)) << rest;
    EXPECT_EQ(disks[0].name, "sda");
    EXPECT_EQ(disks[0].reads, 1);
    EXPECT_EQ(disks[0].sectors_read, 3);
    EXPECT_EQ(disks[0].read_milliseconds, 4);
    EXPECT_EQ(disks[0].writes, 5);
    EXPECT_EQ(disks[0].sectors_written, 7);
    EXPECT_EQ(disks[0].write_milliseconds, 8);
    EXPECT_EQ(disks[0].busy_milliseconds, 10);
  }
}

TEST(ParseDiskStatsTest, AllNamesAreGivenInTheOrderOfTheFile) {
  EXPECT_THAT(ParseDiskStats("259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11\n"
                             "259 1 nvme0n1p1 1 2 3 4 5 6 7 8 9 10 11\n"
                             "104 0 cciss/c0d0 1 2 3 4 5 6 7 8 9 10 11\n"
                             "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n"),
              ElementsAre(Field(&DiskCounters::name, "nvme0n1"),
                          Field(&DiskCounters::name, "nvme0n1p1"),
                          Field(&DiskCounters::name, "cciss/c0d0"),
                          Field(&DiskCounters::name, "loop0")));
}

TEST(ParseDiskStatsTest, NumbersThatDoNotFitAreCut) {
  const std::vector<DiskCounters> disks =
      ParseDiskStats("8 0 sda 18446744073709551615 2 3 4 5 6 7 8 9 -10 11\n");
  ASSERT_THAT(disks, SizeIs(1));
  EXPECT_EQ(disks[0].reads, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(disks[0].busy_milliseconds, 0);
}

TEST(ParseDiskStatsTest, LinesThatAreNotUnderstoodArePassedOver) {
  for (absl::string_view odd : {"", "8", "8 0 sdb",
                                // A partition of Linux 2.6.
                                "8 1 sdb1 1 2 3 4", "8 0 sdb 1 2 3 4 5 6 7 8 9",
                                "8 0 sdb 1 2 3 4 5 6 x 8 9 10 11"}) {
    EXPECT_THAT(ParseDiskStats(
                    absl::StrCat(odd, "\n8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n")),
                ElementsAre(Field(&DiskCounters::name, "sda")))
        << odd;
  }
  EXPECT_THAT(ParseDiskStats(""), IsEmpty());
}

}  // namespace
}  // namespace specula::agent
