#include "agent/broker/oom_score.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {
namespace {

constexpr char kPath[] = "/proc/self/oom_score_adj";

// What holds for the whole process is kept for the whole process: how many
// NeutralOomScore there are, and what the last one goes back to.
int g_neutral_count = 0;
std::optional<int> g_own;

std::optional<int> Read() {
  int score;
  const auto text = ReadFile(kPath);
  if (!text.ok() || !absl::SimpleAtoi(*text, &score)) return std::nullopt;
  return score;
}

absl::Status Write(int score) {
  const UniqueFd fd(open(kPath, O_WRONLY | O_CLOEXEC));
  const std::string text = absl::StrCat(score);
  if (write(fd.get(), text.data(), text.size()) >= 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("write(", kPath, ")"));
}

}  // namespace

NeutralOomScore::NeutralOomScore() {
  if (g_neutral_count++ > 0) return;
  g_own = Read();
  if (g_own == 0) g_own.reset();
  if (!g_own) return;
  const absl::Status written = Write(0);
  if (written.ok()) return;
  static bool said = false;
  if (!said) {
    Log(LogLevel::kWarning, "commands keep the agent's oom_score_adj",
        {{"oom_score_adj", *g_own}, {"reason", written.message()}});
  }
  said = true;
  g_own.reset();
}

NeutralOomScore::~NeutralOomScore() {
  if (--g_neutral_count > 0) return;
  TakeOwnOomScore();
  g_own.reset();
}

void TakeOwnOomScore() {
  if (!g_own) return;
  const absl::Status written = Write(*g_own);
  if (written.ok()) return;
  Log(LogLevel::kWarning, "the agent's oom_score_adj stays 0",
      {{"reason", written.message()}});
}

}  // namespace specula::agent
