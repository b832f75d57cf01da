#ifndef SPECULA_CTL_BOOTSTRAP_SSH_SESSION_H_
#define SPECULA_CTL_BOOTSTRAP_SSH_SESSION_H_

#include <sys/types.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ctl/bootstrap/reply.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {

// A running `ssh` with the remote script behind it: orders go in, replies come
// out. What is held of either is bounded. One thread.
class SshSession {
 public:
  // Starts the program `words`. `stop` ends the waiting of Send and Order with
  // CANCELLED once it is true; it must outlive the session. `own_group`: Ctrl-C
  // on the terminal is not for it.
  static absl::StatusOr<std::unique_ptr<SshSession>> Start(
      const std::vector<std::string>& words, const std::atomic<bool>& stop,
      bool own_group);

  // Closes its input, so that the script undoes what was not committed, and
  // ends ssh if it does not end by itself within five seconds.
  ~SshSession();

  SshSession(const SshSession&) = delete;
  SshSession& operator=(const SshSession&) = delete;

  // Deadlines are of SteadyNow().
  //
  // Writes all of `bytes`. UNAVAILABLE if ssh has ended, FAILED_PRECONDITION if
  // the host said why before; DEADLINE_EXCEEDED, CANCELLED.
  absl::Status Send(absl::string_view bytes, absl::Time deadline);

  // Waits for the end of the order `name`, which was sent; gives what came
  // before it. FAILED_PRECONDITION says why the host failed, in its words;
  // else as Send.
  absl::StatusOr<std::vector<Reply>> Await(absl::string_view name,
                                           absl::Time deadline);

  // From now on `stop` means nothing: what was begun is to be ended in order.
  void IgnoreStop() { ignore_stop_ = true; }

  // Whether the script has begun to speak.
  bool greeted() const { return greeted_; }

  // The last line that ssh wrote to its standard error, fit for a terminal.
  std::string LastWords() const;

 private:
  SshSession(pid_t pid, UniqueFd in, UniqueFd out, UniqueFd err,
             const std::atomic<bool>& stop);

  // Moves bytes for at most a moment; UNAVAILABLE at the end of the output.
  absl::Status Turn(absl::string_view* to_send, absl::Time deadline);
  void TakeErrors();

  const pid_t pid_;
  UniqueFd in_, out_, err_;
  const std::atomic<bool>& stop_;
  bool ignore_stop_ = false;
  bool greeted_ = false;
  ReplyReader reader_;
  std::deque<Reply> replies_;
  std::string errors_;  // the end of standard error
};

// Runs a program to its end and gives its standard output, at most 64 KiB.
absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& words);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_SSH_SESSION_H_
