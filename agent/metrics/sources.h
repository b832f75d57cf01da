#ifndef SPECULA_AGENT_METRICS_SOURCES_H_
#define SPECULA_AGENT_METRICS_SOURCES_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/proc/proc_root.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// The files that the host is read from, and what is wrong with them: each
// reading notes how it went, so that what cannot be read is said and not only
// missing. Thread-safe.
class Sources {
 public:
  enum class Presence {
    kAlways,   // there on every host
    kPerhaps,  // some kernels have none; that it is missing is no problem
  };

  // `root` must outlive this.
  explicit Sources(ProcRoot& root) : root_(root) {}

  // Reads a file as ProcRoot::ReadPinned does, and notes how it went.
  absl::StatusOr<std::string> Read(absl::string_view path,
                                   Presence presence = Presence::kAlways,
                                   size_t longest_line = 512);

  // Reads and parses a file, and notes how both went.
  template <typename T>
  absl::StatusOr<T> Read(absl::string_view path,
                         absl::StatusOr<T> (*parse)(absl::string_view),
                         Presence presence = Presence::kAlways) {
    absl::StatusOr<std::string> text = root_.ReadPinned(path);
    absl::StatusOr<T> value = text.ok() ? parse(*text) : text.status();
    Note(path, presence, value.status());
    return value;
  }

  // Notes how it went with `source`: an error is a problem, a sentence, until
  // OK is noted. Logs a line when a problem begins and one when it ends.
  void Note(absl::string_view source, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Adds the problems there are, by source, up to 16 in all.
  void FillProblems(v1::Agent* agent) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Note(absl::string_view source, Presence presence,
            const absl::Status& status);

  ProcRoot& root_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::string, std::less<>> problems_
      ABSL_GUARDED_BY(mutex_);  // by source
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_SOURCES_H_
