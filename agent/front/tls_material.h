#ifndef SPECULA_AGENT_FRONT_TLS_MATERIAL_H_
#define SPECULA_AGENT_FRONT_TLS_MATERIAL_H_

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/front/event_loop.h"
#include "agent/front/trust.h"
#include "lib/base/log.h"
#include "lib/base/slow_calls.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// Where the agent's TLS files are.
struct TlsPaths {
  std::string ca;
  std::string certificate;  // the leaf first, then intermediates
  std::string key;
  std::string denylist;  // empty: none
};

// The TLS files of a running agent. They are read again when they change; only
// material that would work (it parses, the key belongs to the certificate, the
// chain verifies, nothing is expired, the identity is an agent's) takes the
// place of what is in use.
//
// gRPC reads material from files by itself, and dies of an empty one. So what
// was checked is published in anonymous memory files (memfd), which gRPC sees
// as /proc/self/fd/N and which are replaced in one step by dup3(2): it never
// sees a half-written file, and no copy of the key is ever on a disk.
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

  // TLS 1.3 with a client certificate required, checked against trust();
  // `processor` runs before every handler; `refused` is told, on any thread,
  // why a certificate was not accepted in the handshake. The material must
  // outlive the server.
  std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& processor,
      std::function<void(const absl::Status&)> refused);

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
    std::string mark;
    absl::StatusOr<std::string> content;
  };
  struct Checked {
    std::string roots_pem;
    std::string identity_pem;  // key and chain
    Identity identity;
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
  absl::Status Publish(const std::string& content, UniqueFd& place);
  void SetError() ABSL_LOCKS_EXCLUDED(mutex_);

  File ca_, certificate_, key_, denylist_;
  UniqueFd published_roots_, published_identity_;
  int64_t published_count_ = 0;
  bool looking_ = false;
  absl::Status identity_error_, denylist_error_;
  absl::Status identity_hang_, denylist_hang_;
  LimitedLog refusals_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Trust> trust_ ABSL_GUARDED_BY(mutex_);
  State state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_TLS_MATERIAL_H_
