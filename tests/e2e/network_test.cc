// Three agents in network namespaces, and the link to one of them cut in the
// middle of everything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "tests/e2e/hand.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/lan.h"
#include "tests/e2e/tmux.h"

namespace specula::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Words = std::vector<std::string>;

constexpr int kHosts = 3;
constexpr int kCut = 3;  // whose link is cut

// What clients/cpp/channel.cc says: a ping after 10 s of silence, 5 s for the
// answer. `lost` is promised within 5 s more.
constexpr absl::Duration kLostWithin = absl::Seconds(10 + 5 + 5);
// What agent/front says: 20 s and 10 s, and the grace of 5 s to its tree.
constexpr absl::Duration kTreeGoneWithin = absl::Seconds(20 + 10 + 5);
// The bounds hold on a machine that has time for us; this much more is for one
// that has not. What it took is printed.
constexpr absl::Duration kSlack = absl::Seconds(20);

struct Cut {
  const char* name;
  void (Lan::*cut)(int) const;
  void (Lan::*mend)(int) const;
};

class NetworkTest : public ::testing::TestWithParam<Cut> {
 protected:
  void SetUp() override {
    if (const std::string why = Lan::WhyNot(); !why.empty())
      GTEST_SKIP() << why;
    lan_ = std::make_unique<Lan>(kHosts);
    for (int host = 1; host <= kHosts; ++host) {
      const std::string name = absl::StrCat("host", host);
      ASSERT_TRUE(
          ctl::IssueAgent(pki_.path(), name, {Lan::Address(host)}, {}).ok());
      agents_.push_back(std::make_unique<AgentProcess>(
          pki_,
          AgentOptions{.arguments = {"--listen", Lan::Address(host) + ":60120",
                                     "--cert", pki_.File(name + ".crt"),
                                     "--key", pki_.File(name + ".key"),
                                     "--state-dir", pki_.File("state-" + name)},
                       .before = lan_->On(host)}));
    }
  }

  // Words that run `specula` on machine 0.
  Words Controller(const std::string& hosts, const Words& command) const {
    Words words = lan_->On(0);
    for (const std::string& word :
         ControllerArguments(pki_, "operator", hosts, command))
      words.push_back(word);
    return words;
  }
  std::unique_ptr<Process> Begin(const std::string& hosts,
                                 const Words& command) const {
    return std::make_unique<Process>(
        Process::Options{.arguments = Controller(hosts, command)});
  }
  static std::string AllHosts() {
    Words all;
    for (int host = 1; host <= kHosts; ++host)
      all.push_back(Lan::Address(host));
    return absl::StrJoin(all, ",");
  }
  // A session on a terminal: `specula` with this command.
  std::unique_ptr<Tmux> Open(const TemporaryDirectory& directory,
                             const std::string& command) const {
    const std::string script = directory.File("run");
    std::ofstream(script) << "exec "
                          << absl::StrJoin(Controller(AllHosts(), {}), " ")
                          << " " << command << "\n";
    auto terminal = std::make_unique<Tmux>(directory, 120, 30);
    terminal->Type("clear; HOME=" + directory.path() + " sh " + script);
    terminal->Press("Enter");
    return terminal;
  }

  const Pki pki_;
  std::unique_ptr<Lan> lan_;
  std::vector<std::unique_ptr<AgentProcess>> agents_;
};

TEST_P(NetworkTest, CutInMidStreamIsLostLeavesNothingAndComesBack) {
  const std::string host = Lan::Address(kCut);
  const TemporaryDirectory files;
  const std::string log = files.File("log");
  const std::string go_on = files.File("go-on");
  const std::string mark = files.path();
  std::ofstream(log) << "begun\n";
  std::ofstream(go_on) << "";

  // Each has said "begun" before the cut.
  std::vector<std::pair<std::string, std::unique_ptr<Process>>> streams;
  const auto exec = [&](const std::string& name, const std::string& line) {
    streams.emplace_back(
        name, Begin(host, {"exec", "--env", "SPECULA_TEST_MARK=" + mark, "-s",
                           line}));
  };
  exec("quiet Exec", "echo begun; setsid sleep 1000 & sleep 1000");
  // The agent has bytes on their way at any moment: a megabyte a second, since
  // all of it is kept in a file.
  exec("Exec that floods",
       "echo begun; while :; do head -c 16384 /dev/zero; sleep 0.01; done");
  streams.emplace_back("Tail", Begin(host, {"tail", "-f", log}));
  auto batch = Begin(
      AllHosts(), {"exec", "--json", "--env", "SPECULA_TEST_MARK=" + mark, "-s",
                   absl::StrCat("echo begun; while [ -e ", go_on,
                                " ]; do sleep 0.1; done; echo whole")});
  const TemporaryDirectory top_directory;
  const TemporaryDirectory console_directory;
  const auto top = Open(top_directory, "top");
  const auto console = Open(console_directory, "console");
  ASSERT_TRUE(top->Shows("3 hosts  3 up")) << top->Screen();
  ASSERT_TRUE(console->Shows("(3 hosts)>")) << console->Screen();
  console->Type("EXEC 3 echo \"to\"day");
  console->Press("Enter");
  ASSERT_TRUE(console->Shows("today")) << console->Screen();
  for (const auto& [name, process] : streams) {
    ASSERT_TRUE(Eventually([&, process = process.get()] {
      return process->Stdout().find("begun") != std::string::npos;
    })) << name
        << ": " << process->Stderr();
  }
  ASSERT_TRUE(Eventually([&] {
    const std::string said = batch->Stdout();
    size_t count = 0;
    for (size_t at = said.find("begun"); at != std::string::npos;
         at = said.find("begun", at + 1))
      ++count;
    return count >= kHosts;
  })) << batch->Stdout();
  const size_t trees = MarkedProcesses(mark).size();
  ASSERT_GE(trees, 5U);

  (lan_.get()->*GetParam().cut)(kCut);
  const absl::Duration cut = MonotonicNow();
  for (const auto& [name, process] : streams) {
    const int code = process->Wait();
    const absl::Duration took = MonotonicNow() - cut;
    std::cout << name << ": lost after " << took << "\n";
    EXPECT_EQ(code, 255) << name;
    EXPECT_THAT(process->Stderr(), HasSubstr("lost")) << name;
    EXPECT_LE(took, kLostWithin + kSlack) << name;
  }
  EXPECT_TRUE(top->Shows("3 hosts  2 up")) << top->Screen();

  // The others never knew.
  std::filesystem::remove(go_on);
  EXPECT_EQ(batch->Wait(), 255);
  const std::string said = batch->Stdout();
  for (int other = 1; other <= kHosts; ++other) {
    EXPECT_THAT(
        said, ::testing::ContainsRegex(absl::StrCat(
                  "\"host\":\"", Lan::Address(other), "\"[^\n]*\"outcome\":\"",
                  other == kCut ? "lost" : "ok", "\"")));
  }

  // The agent has found out by itself.
  EXPECT_TRUE(Eventually([&] { return MarkedProcesses(mark).empty(); }));
  const absl::Duration took = MonotonicNow() - cut;
  std::cout << "trees of " << trees << " processes: gone after " << took
            << "\n";
  EXPECT_LE(took, kTreeGoneWithin + kSlack);

  (lan_.get()->*GetParam().mend)(kCut);
  const absl::Duration mended = MonotonicNow();
  EXPECT_TRUE(top->Shows("3 hosts  3 up")) << top->Screen();
  std::cout << "top: up again after " << MonotonicNow() - mended << "\n";
  EXPECT_TRUE(Eventually([&] {
    console->Type("EXEC 3 echo \"yester\"day");
    console->Press("Enter");
    return console->Shows("(3 hosts)>") &&
           console->Screen().find("yesterday") != std::string::npos;
  })) << console->Screen();
  std::cout << "console: back after " << MonotonicNow() - mended << "\n";
  const Result again = RunProgram(Controller(host, {"exec", "--", "true"}));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  for (const auto& agent : agents_) EXPECT_TRUE(agent->process().Running());
}

INSTANTIATE_TEST_SUITE_P(
    Links, NetworkTest,
    ::testing::Values(Cut{"InterfaceDown", &Lan::SetDown, &Lan::SetUp},
                      Cut{"CableUnplugged", &Lan::Unplug, &Lan::Plug}),
    [](const ::testing::TestParamInfo<Cut>& cut) { return cut.param.name; });

}  // namespace
}  // namespace specula::testing
