#include "ctl/views.h"

#include <google/protobuf/text_format.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// Hosts and what each of them answered.
template <typename Response>
struct Fleet {
  std::vector<Target> targets;
  Results<Response> results;

  Fleet& Ok(std::string host, const std::string& answer,
            uint16_t port = 60120) {
    Add(std::move(host), port);
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        answer, &results.back().response));
    return *this;
  }
  Fleet& Failed(std::string host, Outcome outcome, std::string reason) {
    Add(std::move(host), 60120);
    results.back().ending = {outcome, std::move(reason)};
    return *this;
  }

 private:
  void Add(std::string host, uint16_t port) {
    Target target;
    target.id = static_cast<int>(targets.size()) + 1;
    target.endpoint.address = {std::move(host), port};
    targets.push_back(std::move(target));
    results.emplace_back();
  }
};

constexpr char kDown[] =
    "connection refused; is specula-agent running and listening on "
    "vm2:60120?";

TEST(ViewsTest, HostsHaveTheirPortOnlyWhereItIsUnusual) {
  Fleet<v1::CpuResponse> fleet;
  fleet.Ok("vm1", "").Ok("vm1", "", 7000).Ok("::1", "").Ok("::1", "", 7000);
  EXPECT_EQ(HostLabel(fleet.targets[0]), "vm1");
  EXPECT_EQ(HostLabel(fleet.targets[1]), "vm1:7000");
  EXPECT_EQ(HostLabel(fleet.targets[2]), "::1");
  EXPECT_EQ(HostLabel(fleet.targets[3]), "[::1]:7000");
}

TEST(ViewsTest, EndingsAreAWordAndAReason) {
  EXPECT_EQ(EndingText({Outcome::kOk, ""}), "ok");
  EXPECT_EQ(EndingText({Outcome::kRefused, "why"}), "refused: why");
}

TEST(ViewsTest, StatusOfAFleet) {
  Fleet<v1::StatusResponse> fleet;
  fleet
      .Ok("vm1", R"pb(
        host { uptime { seconds: 3553200 } }
        cpu { utilization: 0.1234 quality: QUALITY_OK }
        memory {
          total_bytes: 34359738368
          used_bytes: 8589934592
          utilization: 0.25
          quality: QUALITY_OK
        }
        disk {
          total_bytes: 107374182400
          used_bytes: 53687091200
          quality: QUALITY_OK
        }
        load { one_minute: 0.5 }
        network {
          received_bytes_per_second: 1048576
          transmitted_bytes_per_second: 0
          quality: QUALITY_OK
        })pb")
      .Failed("vm2", Outcome::kUnreachable, kDown)
      .Ok("vm3", R"pb(
            cpu { quality: QUALITY_FIRST }
            memory { quality: QUALITY_UNAVAILABLE }
            disk { quality: QUALITY_UNAVAILABLE }
            network { quality: QUALITY_FIRST })pb",
          7000);
  EXPECT_EQ(
      ViewStatus(fleet.targets, fleet.results, {}),
      "HOST      CPU%  MEM%           MEM  DISK%          DISK  LOAD        RX"
      "    TX     UP\n"
      "vm1       12.3  25.0  8.0GiB/32GiB   50.0  50GiB/100GiB  0.50  1.0MiB/s"
      "  0B/s  41d3h\n"
      "vm2       unreachable: connection refused; is specula-agent running and "
      "listening on vm2:60120?\n"
      "vm3:7000     -     -             -      -             -     -         -"
      "     -      -\n");
}

TEST(ViewsTest, StatusSaysWhatIsEstimatedAndWhatCannotBeRead) {
  Fleet<v1::StatusResponse> fleet;
  fleet
      .Ok("vm1", R"pb(
        memory {
          total_bytes: 34359738368
          used_bytes: 8589934592
          utilization: 0.25
          quality: QUALITY_CLAMPED
        }
        agent { problems: "cannot read \033: gone" problems: "more" })pb")
      .Failed("vm2", Outcome::kUnreachable, "no answer");
  EXPECT_EQ(ViewStatus(fleet.targets, fleet.results, {}),
            "HOST  CPU%   MEM%           MEM  DISK%  DISK  LOAD  RX  TX  UP\n"
            "vm1      -  25.0~  8.0GiB/32GiB      -     -     -   -   -   -\n"
            "vm2   unreachable: no answer\n"
            "~ estimated: what the kernel says of memory cannot be\n"
            "vm1: cannot read \\x1b: gone\n"
            "vm1: more\n");
}

TEST(ViewsTest, DisksThatNeedALookAreMarked) {
  const struct {
    const char* disk;
    const char* cell;
  } kCases[] = {
      {"total_bytes: 100 used_bytes: 54 quality: QUALITY_OK", "  54.0"},
      {"total_bytes: 100 used_bytes: 54 quality: QUALITY_STALLED", "  54.0?"},
      {"quality: QUALITY_STALLED", "  -?"},
      {"filesystems { read_only: true turned_read_only: true } "
       "total_bytes: 100 used_bytes: 54 quality: QUALITY_OK",
       "  READ-ONLY 54.0"},
      {"filesystems { read_only: true turned_read_only: true } "
       "quality: QUALITY_STALLED",
       "  READ-ONLY -?"},
      {"filesystems { read_only: true } total_bytes: 100 used_bytes: 54 "
       "quality: QUALITY_OK",
       "  54.0"},
  };
  for (const auto& test : kCases) {
    Fleet<v1::StatusResponse> fleet;
    fleet.Ok("vm1", absl::StrCat("disk { ", test.disk, " }"));
    EXPECT_THAT(ViewStatus(fleet.targets, fleet.results, {}),
                HasSubstr(absl::StrCat(test.cell, "  ")))
        << test.disk;
  }
}

TEST(ViewsTest, FileSystemsSayWhatIsTheMatter) {
  const struct {
    const char* row;
    const char* shown;
  } kCases[] = {
      {"utilization: 1 quality: QUALITY_CLAMPED total_bytes: 1024 "
       "used_bytes: 1024",
       "1.0KiB  1.0KiB     0B  100.0       -  figures out of range, cut\n"},
      {"read_only: true quality: QUALITY_OK", "  read-only\n"},
      {"read_only: true turned_read_only: true quality: QUALITY_OK",
       "  turned read-only\n"},
      {"read_only: true turned_read_only: true quality: QUALITY_STALLED",
       "  turned read-only; stalled: does not answer\n"},
      {"read_only: true quality: QUALITY_CLAMPED",
       "  figures out of range, cut\n"},
  };
  for (const auto& test : kCases) {
    Fleet<v1::DiskResponse> fleet;
    fleet.Ok("vm1", absl::StrCat("disk { filesystems { mount_point: '/' ",
                                 test.row, " } }"));
    EXPECT_THAT(ViewDisk(fleet.targets, fleet.results, false, {}),
                HasSubstr(test.shown))
        << test.row;
  }
}

TEST(ViewsTest, WhoIsKnownByAnAddressAloneSaysWhichHostItIs) {
  Fleet<v1::StatusResponse> fleet;
  fleet.Ok("10.0.0.1", R"pb(host { hostname: "node-\0331" })pb")
      .Failed("10.0.0.2", Outcome::kUnreachable, "gone");
  for (Target& target : fleet.targets) {
    target.name = target.endpoint.address.host;
    target.endpoint.certificate_name = "specula.svc";
  }
  EXPECT_EQ(
      ViewStatus(fleet.targets, fleet.results, {}),
      "HOST      HOSTNAME    CPU%  MEM%  MEM  DISK%  DISK  LOAD  RX  TX  UP\n"
      "10.0.0.1  node-\\x1b1     -     -    -      -     -     -   -   -   -\n"
      "10.0.0.2  unreachable: gone\n");
  // A name of one's own is enough.
  for (Target& target : fleet.targets) target.name = "vm1";
  EXPECT_EQ(ViewStatus(fleet.targets, fleet.results, {}).find("HOSTNAME"),
            std::string::npos);
}

TEST(ViewsTest, CpuThatWasNotMeasuredIsADashAndNotZero) {
  Fleet<v1::CpuResponse> fleet;
  fleet
      .Ok("vm1", R"pb(
        cpu {
          utilization: 0.75
          times {
            user: 0.5
            system: 0.125
            nice: 0.0625
            iowait: 0.05
            irq: 0.01
            softirq: 0.02
            steal: 0.0325
            idle: 0.2
          }
          logical_count: 2
          cores {
            id: 0
            utilization: 0
            times { idle: 1 }
            quality: QUALITY_OK
          }
          cores { id: 5 quality: QUALITY_RESET }
          quality: QUALITY_OK
        })pb")
      .Failed("vm2", Outcome::kUnreachable, kDown)
      .Ok("vm3", "cpu { quality: QUALITY_FIRST logical_count: 128 }");
  EXPECT_EQ(
      ViewCpu(fleet.targets, fleet.results, false, {}),
      "HOST     CORE  CPU%  USER   SYS  NICE  IOWAIT  IRQ  SOFTIRQ  STEAL  "
      "IDLE\n"
      "vm1     all 2  75.0  50.0  12.5   6.2     5.0  1.0      2.0    3.2  "
      "20.0\n"
      "vm2   unreachable: connection refused; is specula-agent running and "
      "listening on vm2:60120?\n"
      "vm3   all 128     -     -     -     -       -    -        -      -     "
      "-\n");
  EXPECT_EQ(
      ViewCpu(fleet.targets, fleet.results, true, {}),
      "HOST     CORE  CPU%  USER   SYS  NICE  IOWAIT  IRQ  SOFTIRQ  STEAL   "
      "IDLE\n"
      "vm1     all 2  75.0  50.0  12.5   6.2     5.0  1.0      2.0    3.2   "
      "20.0\n"
      "vm1         0   0.0   0.0   0.0   0.0     0.0  0.0      0.0    0.0  "
      "100.0\n"
      "vm1         5     -     -     -     -       -    -        -      -      "
      "-\n"
      "vm2   unreachable: connection refused; is specula-agent running and "
      "listening on vm2:60120?\n"
      "vm3   all 128     -     -     -     -       -    -        -      -      "
      "-\n");
}

TEST(ViewsTest, MemoryWithSwapAndHugePages) {
  Fleet<v1::MemResponse> fleet;
  fleet
      .Ok("vm1", R"pb(
        memory {
          total_bytes: 17179869184
          available_bytes: 12884901888
          used_bytes: 4294967296
          utilization: 0.25
          free_bytes: 1073741824
          cached_bytes: 2147483648
          buffers_bytes: 104857600
          swap_total_bytes: 2147483648
          swap_used_bytes: 1048576
          hugepages_total_count: 512
          hugepages_free_count: 500
          quality: QUALITY_CLAMPED
        })pb")
      .Failed("vm2", Outcome::kTimeout, "no answer")
      .Ok("vm3", "memory { quality: QUALITY_UNAVAILABLE }")
      .Ok("vm4",
          "memory { total_bytes: 1024 utilization: 0 quality: QUALITY_OK }");
  EXPECT_EQ(ViewMem(fleet.targets, fleet.results, {}),
            "HOST   TOTAL    USED   MEM%  AVAILABLE    FREE  CACHED  BUFFERS   "
            "        "
            "SWAP  HUGEPAGES\n"
            "vm1    16GiB  4.0GiB  25.0~      12GiB  1.0GiB  2.0GiB   100MiB  "
            "1.0MiB/2.0GiB     12/512\n"
            "vm2   timeout: no answer\n"
            "vm3        -       -      -          -       -       -        -   "
            "        "
            "   -          -\n"
            "vm4   1.0KiB      0B    0.0         0B      0B      0B       0B   "
            "        "
            "   -          -\n"
            "~ estimated: what the kernel says of memory cannot be\n");
}

TEST(ViewsTest, FileSystemsThatStallAreNotEmptyOnes) {
  Fleet<v1::DiskResponse> fleet;
  fleet
      .Ok("vm1", R"pb(
        disk {
          filesystems {
            mount_point: "/"
            type: "ext4"
            total_bytes: 107374182400
            used_bytes: 53687091200
            available_bytes: 42949672960
            utilization: 0.5556
            inodes_total_count: 1000
            inodes_used_count: 15
            quality: QUALITY_OK
          }
          filesystems {
            mount_point: "/net/nas"
            type: "nfs4"
            quality: QUALITY_STALLED
          }
          filesystems {
            mount_point: "/mnt/cd"
            type: "ext4"
            read_only: true
            total_bytes: 1024
            used_bytes: 1024
            utilization: 1
            quality: QUALITY_OK
          }
          filesystems {
            mount_point: "/secret"
            type: "xfs"
            read_only: true
            quality: QUALITY_UNAVAILABLE
          }
          quality: QUALITY_STALLED
        })pb")
      .Failed("vm2", Outcome::kUnreachable, kDown)
      .Ok("vm3", "disk { quality: QUALITY_UNAVAILABLE }");
  EXPECT_EQ(
      ViewDisk(fleet.targets, fleet.results, false, {}),
      "HOST  MOUNT     TYPE    SIZE    USED  AVAIL   USE%  INODE%  NOTE\n"
      "vm1   /         ext4  100GiB   50GiB  40GiB   55.6     1.5\n"
      "vm1   /net/nas  nfs4       -       -      -      -       -  stalled: "
      "does not answer\n"
      "vm1   /mnt/cd   ext4  1.0KiB  1.0KiB     0B  100.0       -  read-only\n"
      "vm1   /secret   xfs        -       -      -      -       -  "
      "unavailable\n"
      "vm2   unreachable: connection refused; is specula-agent running and "
      "listening on vm2:60120?\n"
      "vm3   -\n");
}

TEST(ViewsTest, DevicesWithoutRatesAreDashes) {
  Fleet<v1::DiskResponse> fleet;
  fleet
      .Ok("vm1", R"pb(
        disk {
          devices {
            name: "vda"
            read_bytes_per_second: 1536
            written_bytes_per_second: 0
            reads_per_second: 3.25
            writes_per_second: 0
            utilization: 0.015
            mean_latency { nanos: 1250000 }
            quality: QUALITY_OK
          }
          devices { name: "vdb" quality: QUALITY_OK }
          devices { name: "nvme0n1" quality: QUALITY_RESET }
          devices { name: "sda" quality: QUALITY_FIRST }
        })pb")
      .Failed("vm2", Outcome::kLost, "the agent was stopping")
      .Ok("vm3", "disk { }");
  EXPECT_EQ(ViewDisk(fleet.targets, fleet.results, true, {}),
            "HOST  DEVICE       READ  WRITE  R/S  W/S  UTIL%  LATENCY\n"
            "vm1   vda      1.5KiB/s   0B/s  3.2  0.0    1.5    1.2ms\n"
            "vm1   vdb          0B/s   0B/s  0.0  0.0    0.0        -\n"
            "vm1   nvme0n1         -      -    -    -      -        -\n"
            "vm1   sda             -      -    -    -      -        -\n"
            "vm2   lost: the agent was stopping\n"
            "vm3   -\n");
}

constexpr char kProcesses[] = R"pb(
  processes {
    pid: 1042
    user: "ann"
    state: "R"
    thread_count: 4
    resident_bytes: 2621440
    cpu_utilization: 1.985
    cpu_time { seconds: 3725 }
    command_line: "/usr/bin/worker --all"
  }
  processes {
    pid: 7
    user: "root"
    state: "S"
    thread_count: 1
    cpu_time { nanos: 999 }
    command_line: "[kworker/0:1]"
  })pb";

TEST(ViewsTest, NewProcessesHaveNoShare) {
  Fleet<v1::ProcessesResponse> fleet;
  fleet.Ok("vm1", kProcesses)
      .Failed("vm2", Outcome::kDenied, "takes the role viewer")
      .Ok("vm3", "");
  EXPECT_EQ(ViewProcesses(fleet.targets, fleet.results, {}),
            "HOST   PID  USER  S  THR   CPU%     RSS   TIME  COMMAND\n"
            "vm1   1042  ann   R    4  198.5  2.5MiB  1h02m  /usr/bin/worker "
            "--all\n"
            "vm1      7  root  S    1      -      0B     0s  [kworker/0:1]\n"
            "vm2   denied: takes the role viewer\n"
            "vm3      -\n");
}

TEST(ViewsTest, ProcessesThatAreHiddenAreSaidSo) {
  Fleet<v1::ProcessesResponse> fleet;
  fleet.Ok("vm1",
           absl::StrCat(kProcesses, "total_count: 2 others_hidden: true"));
  EXPECT_THAT(ViewProcesses(fleet.targets, fleet.results, {}),
              EndsWith("vm1   the host hides processes of other users from the "
                       "agent (hidepid); it has more than the 2 it sees\n"));
}

TEST(ViewsTest, LinesAreCutToTheTerminalAndReasonsAreNot) {
  Fleet<v1::ProcessesResponse> fleet;
  fleet.Ok("vm1", kProcesses).Failed("vm2", Outcome::kUnreachable, kDown);
  const std::vector<std::string> lines = absl::StrSplit(
      ViewProcesses(fleet.targets, fleet.results, {.max_width = 60}), '\n');
  EXPECT_EQ(lines[1].size(), 60u);
  EXPECT_THAT(lines[1], EndsWith("  /usr/bin/wor"));
  EXPECT_THAT(lines[3], EndsWith(kDown));
}

TEST(ViewsTest, WordsOfHostsCannotMoveTheCursorOrForgeARow) {
  const std::string hostile = "\\033[2J\\033]0;owned\\007x\\nvm9 ok\\r";
  Fleet<v1::ProcessesResponse> processes;
  processes
      .Ok("vm1\x1b[2J", "processes { user: \"" + hostile + "\" state: \"" +
                            hostile + "\" command_line: \"" + hostile + "\" }")
      .Failed("vm2\n", Outcome::kFailed, "x\x1b[31m\nvm9 ok");
  Fleet<v1::DiskResponse> disks;
  disks.Ok("vm1", "disk { filesystems { mount_point: \"" + hostile +
                      "\" type: \"" + hostile + "\" } devices { name: \"" +
                      hostile + "\" } }");
  for (const std::string& text :
       {ViewProcesses(processes.targets, processes.results, {}),
        ViewDisk(disks.targets, disks.results, false, {}),
        ViewDisk(disks.targets, disks.results, true, {})}) {
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\x07")));
    EXPECT_THAT(text, Not(HasSubstr("\r")));
    EXPECT_THAT(text, Not(HasSubstr("\nvm9")));
    EXPECT_THAT(text, HasSubstr("\\x1b["));
  }
}

}  // namespace
}  // namespace specula::ctl
