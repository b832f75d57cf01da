// What `specula top` costs over a thousand hosts of which a third is ill, on a
// terminal of 200x50 at 2 s: CPU and memory of the controller, how long a key
// takes, and how much older than its AGE a row can be. Prints one line for each
// number with its bar.
//
//   top_bench [--hosts 1000] [--seconds 30]
//
// The fleet is simulated in this process, on the same cores. Keys go through
// tmux, whose own time is in what is printed and beside it. Exit code: 0 all
// bars are held, 1 not so.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/base/clock.h"
#include "lib/rpc/tls_policy.h"
#include "tests/e2e/fleet_simulator.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/timed_rows.h"
#include "tests/e2e/top_terminal.h"

namespace specula::testing {
namespace {

constexpr double kMostCores = 0.25;
constexpr double kMostMiB = 250;
constexpr double kMostKeyMilliseconds = 100;
// An age is as of the frame that shows it, and a frame is drawn within a tenth
// of a second of when an age changes; the rest is the terminal's.
constexpr double kMostBeyondSeconds = 0.5;

[[noreturn]] void Die(const std::string& why) {
  fprintf(stderr, "top_bench: %s\n", why.c_str());
  exit(1);
}

// A tenth hangs, a tenth flaps, and some are ill in each other way.
std::vector<Health> IllFleet(size_t hosts) {
  std::vector<Health> fleet;
  auto add = [&](Health health, size_t of_thousand) {
    fleet.insert(fleet.end(), hosts * of_thousand / 1000, health);
  };
  add(Health::kHangsInTls, 50);
  add(Health::kHangsInConnect, 25);
  add(Health::kHangsAfterHeaders, 25);
  add(Health::kFlaps, 100);
  add(Health::kResets, 20);
  add(Health::kLies, 20);
  add(Health::kResetsCounters, 20);
  add(Health::kFloods, 20);
  add(Health::kBabbles, 20);
  add(Health::kDiesInMidStream, 20);
  fleet.resize(hosts, Health::kWell);
  // Ill and well ones beside each other; the same in each run.
  std::shuffle(fleet.begin(), fleet.end(), std::mt19937(1));  // NOLINT
  return fleet;
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

double CpuSeconds(pid_t pid) {
  const std::string stat = Read(absl::StrCat("/proc/", pid, "/stat"));
  if (stat.empty()) Die("the controller is gone");
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(stat.rfind(')') + 2), ' ');
  double user = 0;
  double system = 0;
  if (fields.size() < 13 || !absl::SimpleAtod(fields[11], &user) ||
      !absl::SimpleAtod(fields[12], &system)) {
    Die("the controller is gone");
  }
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double StatusNumber(pid_t pid, const std::string& name) {
  const std::string status = Read(absl::StrCat("/proc/", pid, "/status"));
  const size_t found = status.find("\n" + name + ":");
  return found == std::string::npos
             ? 0
             : atof(status.c_str() + found + name.size() + 2);
}

double Milliseconds(absl::Duration since) {
  return absl::ToDoubleMilliseconds(MonotonicNow() - since);
}

class TopBench {
 public:
  TopBench(size_t hosts, int seconds)
      : health_(IllFleet(hosts)),
        fleet_(pki_, health_,
               [this](size_t host, int64_t sequence) {
                 return TimedSnapshot(health_[host], host, sequence);
               }),
        seconds_(seconds) {}

  bool Run() {
    Start();
    Await();
    MeasureIdle();
    MeasureKeys();
    terminal_->Type("q");
    if (!terminal_->Shows("ended=0")) Die("it does not end");
    return held_;
  }

 private:
  void Start() {
    terminal_.Open(200, 50);
    terminal_.Start("", "viewer");
  }

  // Until all who can be up are, and what hangs is known to be down.
  void Await() {
    const absl::Duration begin = MonotonicNow();
    if (!terminal_->Shows(" DOWN")) Die(terminal_->Screen());
    pid_ = terminal_->Child();
    if (!terminal_->Hides(" waiting")) Die(terminal_->Screen());
    printf("every host known after %.1f s, with %.1f s of CPU\n",
           Milliseconds(begin) / 1000, CpuSeconds(pid_));
    fflush(stdout);
    absl::SleepFor(absl::Seconds(10));
  }

  // Nobody touches a key; the screen is looked at twice a second.
  void MeasureIdle() {
    const double before = CpuSeconds(pid_);
    const absl::Duration begin = MonotonicNow();
    double rss = 0;
    absl::Duration beyond = -absl::InfiniteDuration();
    size_t rows = 0;
    while (Milliseconds(begin) < 1000.0 * seconds_) {
      absl::SleepFor(absl::Milliseconds(500));
      rss = std::max(rss, StatusNumber(pid_, "VmRSS") / 1024);
      const std::vector<TimedRow> seen = TimedRows(terminal_->Screen());
      beyond = std::max(beyond, MostBeyondAge(seen, absl::Now()));
      rows += seen.size();
    }
    const double cores =
        (CpuSeconds(pid_) - before) / (Milliseconds(begin) / 1000);
    Tell("CPU", cores, kMostCores, "cores");
    Tell("RSS", rss, kMostMiB, "MiB");
    printf("threads %.0f\n", StatusNumber(pid_, "Threads"));
    if (rows == 0) Die("no row tells when it was made: " + terminal_->Screen());
    Tell(absl::StrCat("older than AGE says, of ", rows, " rows"),
         absl::ToDoubleSeconds(beyond), kMostBeyondSeconds, "s");
  }

  // From a key's bytes until the screen shows what they do.
  double KeyMilliseconds(const std::string& key, const std::string& shows) {
    const absl::Duration begin = MonotonicNow();
    terminal_->Type(key);
    if (!terminal_->Shows(shows)) Die(absl::StrCat("no answer to ", key));
    return Milliseconds(begin);
  }

  void MeasureKeys() {
    std::vector<double> floor;
    for (int i = 0; i < 50; ++i) {
      const absl::Duration begin = MonotonicNow();
      terminal_->Run({"display-message", "-p", "x"});
      terminal_->Screen();
      floor.push_back(Milliseconds(begin));
    }
    std::vector<double> keys;
    for (int i = 0; i < 40; ++i) {
      keys.push_back(KeyMilliseconds("h", "KEYS"));
      keys.push_back(KeyMilliseconds("h", "sort:"));
      // All rows anew.
      keys.push_back(KeyMilliseconds("I", "sort:CPU%+"));
      keys.push_back(KeyMilliseconds("I", "sort:CPU%-"));
      keys.push_back(KeyMilliseconds("/state=down", "filter: state=down"));
      const absl::Duration begin = MonotonicNow();
      terminal_->Press("Escape");
      if (!terminal_->Hides("filter:")) Die("no answer to Esc");
      keys.push_back(Milliseconds(begin));
      absl::SleepFor(absl::Milliseconds(37));  // another moment each time
    }
    std::sort(floor.begin(), floor.end());
    std::sort(keys.begin(), keys.end());
    printf("tmux alone p50 %.1f ms, keys p50 %.1f ms\n",
           floor[floor.size() / 2], keys[keys.size() / 2]);
    Tell(absl::StrCat("key, p99 of ", keys.size()),
         keys[keys.size() * 99 / 100], kMostKeyMilliseconds, "ms");
    printf("key, slowest %.1f ms\n", keys.back());
  }

  void Tell(const std::string& what, double value, double bar,
            const char* unit) {
    const bool held = value <= bar;
    held_ = held_ && held;
    printf("%s %.2f %s (bar %.2f)%s\n", what.c_str(), value, unit, bar,
           held ? "" : "  MISSED");
    fflush(stdout);
  }

  const Pki pki_;
  const std::vector<Health> health_;
  const FleetSimulator fleet_;
  const int seconds_;
  TopTerminal terminal_{pki_, fleet_.expression()};
  pid_t pid_ = -1;
  bool held_ = true;
};

}  // namespace
}  // namespace specula::testing

int main(int argc, char** argv) {
  using specula::testing::Die;
  if (absl::Status status = specula::EnforceTlsPolicy(); !status.ok()) {
    Die(status.ToString());
  }
  signal(SIGPIPE, SIG_IGN);
  ::testing::InitGoogleTest();  // the harness asserts
  int hosts = 1000;
  int seconds = 30;
  for (int i = 1; i < argc; i += 2) {
    int* const value = strcmp(argv[i], "--hosts") == 0     ? &hosts
                       : strcmp(argv[i], "--seconds") == 0 ? &seconds
                                                           : nullptr;
    if (value == nullptr || i + 1 == argc ||
        !absl::SimpleAtoi(argv[i + 1], value) || *value < 1) {
      fprintf(stderr, "usage: top_bench [--hosts N] [--seconds N]\n");
      return 2;
    }
  }
  return specula::testing::TopBench(static_cast<size_t>(hosts), seconds).Run()
             ? 0
             : 1;
}
