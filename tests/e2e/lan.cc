#include "tests/e2e/lan.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace specula::testing {
namespace {

using Words = std::vector<std::string>;

constexpr char kProbe[] =
    "ip link add switch type bridge && ip link add one type veth peer name two";

std::string NamespaceOf(pid_t pid) {
  std::error_code ignored;
  return std::filesystem::read_symlink(absl::StrCat("/proc/", pid, "/ns/net"),
                                       ignored)
      .string();
}

std::string Port(int machine) { return absl::StrCat("port", machine); }

}  // namespace

std::string Lan::WhyNot() {
  if (geteuid() != 0) return "network namespaces take root";
  const Result result = RunProgram({"unshare", "--net", "sh", "-c", kProbe},
                                   {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  if (result.exit_code == 0) return "";
  return absl::StrCat("no network namespaces with a bridge here: ", result.err);
}

Lan::Lan(int machines) {
  for (int machine = 0; machine <= machines; ++machine) {
    keepers_.push_back(std::make_unique<Process>(Process::Options{
        .arguments = {"unshare", "--net", "sleep", "infinity"}}));
    const pid_t keeper = keepers_.back()->pid();
    EXPECT_TRUE(Eventually([keeper] {
      const std::string net = NamespaceOf(keeper);
      return !net.empty() && net != NamespaceOf(getpid());
    }));
    Ip(machine, {"link", "set", "lo", "up"});
  }
  const std::string bits = "/24";
  // With an address of its own: it would take that of a port, which would then
  // hear the machine on the unplugged cable.
  Ip(0, {"link", "add", "switch", "address", "02:00:00:00:00:01", "type",
         "bridge", "forward_delay", "0"});
  Ip(0, {"addr", "add", Address(0) + bits, "dev", "switch"});
  Ip(0, {"link", "set", "switch", "up"});
  for (int machine = 1; machine <= machines; ++machine) {
    Ip(0,
       {"link", "add", Port(machine), "type", "veth", "peer", "name", "eth0",
        "netns", absl::StrCat(keepers_[static_cast<size_t>(machine)]->pid())});
    Ip(0, {"link", "set", Port(machine), "master", "switch", "up"});
    Ip(machine, {"addr", "add", Address(machine) + bits, "dev", "eth0"});
    SetUp(machine);
  }
}

std::string Lan::Address(int machine) {
  return absl::StrCat("10.0.0.", machine + 1);
}

Words Lan::On(int machine) const {
  return {"nsenter", absl::StrCat("--net=/proc/",
                                  keepers_[static_cast<size_t>(machine)]->pid(),
                                  "/ns/net")};
}

void Lan::SetDown(int machine) const {
  Ip(machine, {"link", "set", "eth0", "down"});
}

void Lan::SetUp(int machine) const {
  Ip(machine, {"link", "set", "eth0", "up"});
}

void Lan::Unplug(int machine) const {
  Ip(0, {"link", "set", Port(machine), "nomaster"});
}

void Lan::Plug(int machine) const {
  Ip(0, {"link", "set", Port(machine), "master", "switch"});
}

void Lan::Ip(int machine, const Words& arguments) const {
  Words words = On(machine);
  words.push_back("ip");
  words.insert(words.end(), arguments.begin(), arguments.end());
  const Result result =
      RunProgram(words, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  EXPECT_EQ(result.exit_code, 0)
      << absl::StrJoin(words, " ") << ": " << result.err;
}

}  // namespace specula::testing
