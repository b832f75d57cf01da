#include "ctl/bootstrap/run_bootstrap.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/hosts/inventory_edit.h"
#include "ctl/hosts/inventory_files.h"
#include "ctl/json.h"
#include "ctl/table.h"
#include "lib/base/file.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {
namespace {

constexpr mode_t kInventoryMode = 0644;

// Whether it is known what the host is like now.
bool GaveResult(const HostReport& report) {
  return report.settled || report.ending.outcome == Outcome::kFailed;
}

std::string JsonOf(const SshTarget& target, const HostReport& report) {
  std::string line = absl::StrCat(
      "{\"host\":", JsonString(target.name),
      ",\"address\":", JsonString(FormatHostPort(report.endpoint.address)),
      ",\"outcome\":", JsonString(OutcomeName(report.ending.outcome)));
  if (!report.word.empty())
    absl::StrAppend(&line, ",\"action\":", JsonString(report.word));
  if (!report.ending.reason.empty())
    absl::StrAppend(&line, ",\"reason\":", JsonString(report.ending.reason));
  if (!report.detail.empty())
    absl::StrAppend(&line, ",\"detail\":", JsonString(report.detail));
  absl::StrAppendFormat(&line, ",\"elapsed_seconds\":%.3f}\n",
                        absl::ToDoubleSeconds(report.elapsed));
  return line;
}

// Two bootstraps at once must not lose each other's hosts.
absl::Status WriteInventory(const std::string& path,
                            const std::vector<InventoryHost>& hosts) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  UniqueFd lock(open(folder.empty() ? "." : folder.c_str(),
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.valid()) flock(lock.get(), LOCK_EX);
  absl::StatusOr<std::string> text = ReadFile(path, kMostInventoryBytes);
  if (absl::IsNotFound(text.status())) text = std::string();
  RETURN_IF_ERROR(text.status());
  ASSIGN_OR_RETURN(std::string added,
                   AddToInventory(*text, path, hosts, kAgentPort));
  if (added == *text) return absl::OkStatus();
  return WriteFileAtomically(path, added, kInventoryMode, /*replace=*/true);
}

bool AddAnswering(const std::string& path,
                  const std::vector<SshTarget>& targets,
                  const std::vector<HostReport>& reports) {
  std::vector<InventoryHost> hosts;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (reports[i].ending.outcome != Outcome::kOk || targets[i].known) continue;
    InventoryHost host;
    host.name = targets[i].name;
    host.address = reports[i].endpoint.address;
    host.certificate_name = reports[i].endpoint.certificate_name;
    hosts.push_back(std::move(host));
  }
  if (hosts.empty()) return true;
  absl::Status written = WriteInventory(path, hosts);
  if (written.ok()) return true;
  UsageError(absl::InvalidArgumentError(absl::StrCat(
      "the hosts were not added to the inventory: ", written.message())));
  return false;
}

// All hosts, each by one of some threads.
class Pool {
 public:
  Pool(const BootstrapSettings& settings, const std::vector<SshTarget>& targets,
       std::function<void()> wake)
      : settings_(settings),
        targets_(targets),
        wake_(std::move(wake)),
        reports_(targets.size()) {}

  ~Pool() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

  void Start(size_t width) {
    open_ = std::min(width, targets_.size());
    for (size_t i = 0, count = open_; i < count; ++i) {
      threads_.emplace_back([this] { Work(); });
    }
  }
  void Stop() { stop_ = true; }
  bool done() const { return open_ == 0; }
  size_t finished() const { return finished_; }

  std::vector<HostReport> Take() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return std::move(reports_);
  }

 private:
  void Work() {
    while (!stop_) {
      const size_t mine = next_++;
      if (mine >= targets_.size()) break;
      reports_[mine] = HostBootstrap(settings_, targets_[mine], stop_).Run();
      ++finished_;
      wake_();
    }
    --open_;
    wake_();
  }

  const BootstrapSettings& settings_;
  const std::vector<SshTarget>& targets_;
  const std::function<void()> wake_;
  std::vector<HostReport> reports_;  // each written by one thread only
  std::vector<std::thread> threads_;
  std::atomic<size_t> next_ = 0;
  std::atomic<size_t> open_ = 0;      // threads that work
  std::atomic<size_t> finished_ = 0;  // hosts
  std::atomic<bool> stop_ = false;
};

void AwaitUndone(const Pool& pool, const Interrupt& interrupt) {
  constexpr int kTurnMilliseconds = 100;
  pollfd signals = {interrupt.fd(), POLLIN, 0};
  while (!pool.done()) {
    if (poll(&signals, 1, kTurnMilliseconds) <= 0) continue;
    SayError("left; the hosts undo by themselves what was begun");
    // Destructors would wait. The end of our pipes is all that hosts need.
    _exit(kExitInterrupted);
  }
}

}  // namespace

int BootstrapExitCode(const std::vector<HostReport>& reports) {
  int code = kExitOk;
  for (const HostReport& report : reports) {
    if (report.ending.outcome == Outcome::kOk) continue;
    if (!GaveResult(report)) return kExitNoResult;
    code = kExitFailed;
  }
  return code;
}

std::string ViewBootstrap(const std::vector<SshTarget>& targets,
                          const std::vector<HostReport>& reports,
                          bool dry_run) {
  Table table({{"HOST"}, {"OUTCOME"}, {dry_run ? "WOULD BE" : "IS"}, {"NOTE"}});
  std::map<std::string, int> counts;
  for (size_t i = 0; i < targets.size(); ++i) {
    const HostReport& report = reports[i];
    const std::string outcome(OutcomeName(report.ending.outcome));
    const bool ok = report.ending.outcome == Outcome::kOk;
    ++counts[ok ? report.word : outcome];
    std::string note = report.ending.reason;
    if (!report.detail.empty()) {
      absl::StrAppend(&note, note.empty() ? "" : "; ", report.detail);
    }
    table.AddNote({targets[i].name, outcome, ok ? report.word : "-", note});
  }
  std::string text = table.Render();
  absl::StrAppend(&text, "\n", targets.size(),
                  targets.size() == 1 ? " host:" : " hosts:");
  const char* part = " ";
  for (const auto& [word, count] : counts) {
    absl::StrAppend(&text, part, count, " ", word);
    part = ", ";
  }
  return text + "\n";
}

int RunBootstrap(const BootstrapSettings& settings,
                 const std::vector<SshTarget>& targets, const BootstrapRun& run,
                 Interrupt& interrupt) {
  Pool pool(settings, targets, interrupt.waker());
  pool.Start(run.width);
  const bool progress = isatty(STDERR_FILENO) != 0 && targets.size() > 1;
  while (!pool.done() && !interrupt.Wait(absl::InfiniteDuration())) {
    if (progress) {
      PrintErrorText(absl::StrCat("\r", pool.finished(), " of ", targets.size(),
                                  " hosts done"));
    }
  }
  if (progress) PrintErrorText("\r\033[K");
  if (!pool.done()) {
    pool.Stop();
    SayError("interrupted; what was begun is being undone");
    AwaitUndone(pool, interrupt);
  }
  const std::vector<HostReport> reports = pool.Take();
  int code = BootstrapExitCode(reports);
  if (!settings.dry_run && !run.inventory.empty() &&
      !AddAnswering(run.inventory, targets, reports) && code == kExitOk) {
    code = kExitFailed;
  }
  std::string text;
  if (run.json) {
    for (size_t i = 0; i < targets.size(); ++i)
      text += JsonOf(targets[i], reports[i]);
  } else {
    text = ViewBootstrap(targets, reports, settings.dry_run);
  }
  if (const ExitCode written = Print(text); written != kExitOk) return written;
  return interrupt.interrupted() ? kExitInterrupted : code;
}

}  // namespace specula::ctl
