// How long it takes from an append to the bytes, and how fast a file is
// followed. Not a test: prints numbers.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/agent/tail/bench.h"
#include "tests/agent/tail/live.h"

namespace specula::agent {
namespace {

void Latency(int followers) {
  Sandbox box;
  box.Append("log", "");
  Watcher watcher;
  std::vector<std::unique_ptr<LiveTail>> tails;
  for (int i = 0; i < followers; ++i) {
    tails.push_back(std::make_unique<LiveTail>(
        watcher, TailOptions{.path = box.Path("log"), .follow = true}));
    if (!tails.back()->Pump([](TailItem) {}).ok()) return;
  }
  constexpr int kAppends = 2000;
  std::thread writer([&] {
    UniqueFd log = box.Writer("log");
    for (int i = 0; i < kAppends; ++i) {
      absl::SleepFor(absl::Milliseconds(followers > 1 ? 5 : 1));
      const int64_t now = absl::ToInt64Nanoseconds(MonotonicNow());
      char line[32];
      const int size = snprintf(line, sizeof(line), "%020ld\n", now);
      if (write(log.get(), line, static_cast<size_t>(size)) != size) abort();
    }
  });
  std::vector<double> micros;
  auto sink = [&](TailItem item) {
    const double now = absl::ToDoubleMicroseconds(MonotonicNow());
    for (size_t at = 0; at + 21 <= item.data.size(); at += 21) {
      micros.push_back(now - std::stod(item.data.substr(at, 20)) / 1000.0);
    }
  };
  const auto wanted = static_cast<size_t>(kAppends) * tails.size();
  while (micros.size() < wanted) {
    pollfd waiting{watcher.fd(), POLLIN, 0};
    poll(&waiting, 1, 1000);
    for (const Watcher::Wake& wake : watcher.Dispatch().wakes) {
      LiveTail& tail = *tails[static_cast<size_t>(wake.id) - 1];
      tail.Wake(wake);
      if (!tail.Pump(sink).ok()) return;
    }
  }
  writer.join();
  std::sort(micros.begin(), micros.end());
  printf(
      "append -> bytes, %d follower(s), %zu samples: p50 %.0f us, p99 %.0f us, "
      "max %.0f us\n",
      followers, micros.size(), micros[micros.size() / 2],
      micros[micros.size() * 99 / 100], micros.back());
}

void Throughput() {
  constexpr int64_t kBytes = 1 << 30;
  Sandbox box;
  TailOptions options{
      .path = box.Path("log"), .follow = true, .wait_for_file = true};
  options.limits.behind_bytes = 2 * kBytes;
  {
    UniqueFd file = box.Writer("new");
    std::string block;
    while (block.size() < (1 << 20)) {
      block +=
          "a line as they are in logs, of some eighty bytes, more or less, "
          "with a number " +
          std::to_string(block.size()) + "\n";
    }
    block.resize(1 << 20);
    for (int64_t i = 0; i < kBytes; i += 1 << 20) {
      if (write(file.get(), block.data(), block.size()) < 0) return;
    }
  }
  for (int round = 0; round < 3; ++round) {
    Watcher watcher;
    LiveTail tail(watcher, options);
    int64_t bytes = 0;
    int64_t chunks = 0;
    auto sink = [&](TailItem item) {
      bytes += static_cast<int64_t>(item.data.size());
      ++chunks;
    };
    if (!tail.Pump(sink).ok()) return;
    box.Rename("new", "log");
    const absl::Duration begin = MonotonicNow();
    while (bytes < kBytes) {
      if (!LiveTurn(watcher, tail, begin + absl::Seconds(60), sink).ok())
        return;
    }
    const double seconds = absl::ToDoubleSeconds(MonotonicNow() - begin);
    printf("1 GiB followed from its start: %.2f s, %.0f MB/s, %ld items\n",
           seconds, static_cast<double>(bytes) / 1e6 / seconds, chunks);
    box.Rename("log", "new");
  }
}

}  // namespace
}  // namespace specula::agent

int main() {
  specula::agent::Latency(1);
  specula::agent::Latency(1000);
  specula::agent::Throughput();
}
