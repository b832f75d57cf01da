#include "agent/metrics/sources.h"

#include "lib/base/format.h"
#include "lib/base/log.h"

namespace specula::agent {
namespace {

constexpr int kMostProblems = 16;

}  // namespace

absl::StatusOr<std::string> Sources::Read(absl::string_view path,
                                          Presence presence,
                                          size_t longest_line) {
  absl::StatusOr<std::string> text = root_.ReadPinned(path, longest_line);
  Note(path, presence, text.status());
  return text;
}

void Sources::Note(absl::string_view source, Presence presence,
                   const absl::Status& status) {
  // EOPNOTSUPP is the answer of a kernel that was started with psi=0.
  const bool expected =
      presence == Presence::kPerhaps &&
      (absl::IsNotFound(status) || absl::IsUnimplemented(status));
  Note(source, expected ? absl::OkStatus() : status);
}

void Sources::Note(absl::string_view source, const absl::Status& status) {
  const std::string problem = ToUtf8(status.message());
  {
    absl::MutexLock lock(&mutex_);
    auto known = problems_.find(source);
    if (status.ok()) {
      if (known == problems_.end()) return;
      problems_.erase(known);
    } else if (known != problems_.end()) {
      known->second = problem;
      return;
    } else {
      problems_.emplace(source, problem);
    }
  }
  if (status.ok()) {
    Log(LogLevel::kInfo, "the host can be read again", {{"source", source}});
  } else {
    Log(LogLevel::kWarning, "the host cannot be read as a whole",
        {{"source", source}, {"reason", problem}});
  }
}

void Sources::FillProblems(v1::Agent* agent) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& [source, problem] : problems_) {
    if (agent->problems_size() >= kMostProblems) return;
    agent->add_problems(problem);
  }
}

}  // namespace specula::agent
