#ifndef SPECULA_AGENT_FRONT_TLS_MATERIAL_H_
#define SPECULA_AGENT_FRONT_TLS_MATERIAL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/border/tls_session.h"
#include "agent/border/trust.h"
#include "agent/front/event_loop.h"
#include "lib/base/secret_file.h"
#include "lib/base/slow_calls.h"

namespace specula::agent {

// Where the agent's TLS files are.
struct TlsPaths {
  std::string ca;
  std::string certificate;  // the leaf first, then intermediates
  std::string key;
  std::string denylist;  // empty: none
  // Who will read them, if it is not this process.
  std::optional<FileReader> reader = {};
};

// The TLS files of a running agent. They are read again when they change; only
// material that would work (it parses, the key belongs to the certificate, the
// chain verifies, nothing is expired, the identity is an agent's) takes the
// place of what is in use.
class TlsMaterial {
 public:
  // Reads and checks everything. Errors name the file and what is wrong.
  static absl::StatusOr<std::unique_ptr<TlsMaterial>> Load(TlsPaths paths);

  // Looks whether files have changed, on threads of `slow` (kTlsFiles), and
  // takes over what is good, on the loop, where it then calls `changed`. Call
  // it about once a second, on the loop; it does nothing while a look is out.
  // What does not answer within the limit of `slow` stays as it is, but that
  // the denylist is as one that cannot be read. Both must outlive it.
  void Poll(SlowCalls& slow, EventLoop& loop, std::function<void()> changed);

  // What a handshake that begins now is done by; never null. Thread-safe.
  std::shared_ptr<const TlsContext> context() const ABSL_LOCKS_EXCLUDED(mutex_);

  // By what callers are judged now; never null. Thread-safe.
  std::shared_ptr<const Trust> trust() const ABSL_LOCKS_EXCLUDED(mutex_);

  // For Status. Thread-safe.
  struct State {
    absl::Time expire_time;
    int64_t generation = 0;  // how often new material was taken over
    std::string error;  // why the newest on disk is not in use; empty if it is
  };
  State state() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // The content of one file and the mark by which a change of it is seen.
  struct File {
    std::string path;
    bool secret = false;
    std::optional<FileReader> reader;  // of a secret
    std::string mark;
    absl::StatusOr<std::string> content;
  };
  struct Checked {
    std::shared_ptr<const TlsContext> context;
    Identity identity;
    absl::flat_hash_set<std::string> authorities;
    absl::Time expire_time;
  };

  explicit TlsMaterial(TlsPaths paths);

  // What a look at a file has found.
  struct Look {
    std::string mark;
    // None: the mark is that of the last look.
    std::optional<absl::StatusOr<std::string>> content;
  };
  // What one call looks at, in this order. Shared with the call, which may
  // hang.
  struct Group {
    std::vector<File> files;  // without their content
    std::atomic<size_t> at = 0;
    std::vector<Look> looks;  // empty: it came too late
  };

  static Look LookAt(const File& file);
  // Takes over what was found; true if the content is another.
  static bool Take(Look look, File& file);
  static SlowCalls::Call LookLater(absl::string_view key,
                                   std::shared_ptr<Group> group);
  void Looked(Group& identity, Group& denylist,
              const std::function<void()>& changed);
  // Takes note of whether the files of `group` answer; true if that is new.
  static bool SetHang(const Group& group, absl::Status& hang);
  absl::StatusOr<Checked> CheckIdentity() const;
  absl::Status TakeIdentity() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status TakeDenylist() ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeNewIdentity();
  void TakeNewDenylist();
  void SetError() ABSL_LOCKS_EXCLUDED(mutex_);

  File ca_, certificate_, key_, denylist_;
  bool looking_ = false;
  absl::Status identity_error_, denylist_error_;
  absl::Status identity_hang_, denylist_hang_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const TlsContext> context_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Trust> trust_ ABSL_GUARDED_BY(mutex_);
  State state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TLS_MATERIAL_H_
