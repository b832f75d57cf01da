#ifndef SPECULA_CTL_GATHER_H_
#define SPECULA_CTL_GATHER_H_

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "clients/cpp/outcome.h"

namespace specula::ctl {

enum class OutputStream { kOutput, kError };

// What is known of one stream of a host: its beginning, how long it was, and
// the SHA-256 of all of it.
struct KeptOutput {
  absl::string_view kept;
  uint64_t total_bytes = 0;
  std::array<unsigned char, 32> digest = {};
};

// What the hosts of a batch have sent and how each has ended, to be looked at
// as a whole: identical output once, under the hosts that sent it; what differs
// from the majority; and who ended how.
//
// Bounded: of each host's streams the beginning is kept, up to a limit for the
// host and one for all of them. What is beyond is counted and digested, so that
// two hosts are put together only if all they sent is the same, and the text
// says what is not kept. Pure; one thread.
class Gather {
 public:
  struct Limits {
    size_t host_bytes = 1 << 20;
    size_t total_bytes = 64 << 20;
  };

  // `names` as FoldHosts takes them; hosts are spoken of by their place there.
  Gather(std::vector<std::string> names, Limits limits);

  void Add(size_t host, OutputStream stream, absl::string_view bytes);
  // Once for each host, before the views.
  void End(size_t host, CommandEnding ending);

  const CommandEnding& ending(size_t host) const { return hosts_[host].ending; }

  // A stream as it is now, valid until it is added to; and such a stream put in
  // the place of one to which nothing was added.
  KeptOutput Kept(size_t host, OutputStream stream) const;
  void Restore(size_t host, OutputStream stream, const KeptOutput& output);

  // Hosts that ended in the same way after the same bytes on both streams.
  struct Group {
    std::vector<size_t> hosts;  // in their order
    size_t most_kept = 0;       // that of them of which most is kept
  };
  // The largest first, among equals in the order of their first hosts.
  std::vector<Group> Groups() const;

  // Each group that sent anything, under a head with its hosts, their number
  // and their outcome; lines of standard error are marked "stderr: ". With
  // `safe` it goes through a TerminalFilter.
  std::string ViewFolded(bool safe) const;

  // What one host sent, as it stands under its head in ViewFolded.
  std::string ViewHost(size_t host, bool safe) const {
    return Body(hosts_[host], safe);
  }

  // The largest group in full, and each other as its difference from that, in
  // unified form. Hosts that gave no result are left out.
  std::string ViewDiff(bool safe) const;

  // "Success (code=0): vm1, vm3", "Failed (code=1): vm2", "timeout: vm[4-99]":
  // a line for each outcome that there is. All hosts are in it, each once.
  std::string ViewSummary() const;

  // Why hosts have no result, and what else is to be said of them; one line
  // for each reason, with the hosts it is of.
  std::vector<std::string> Remarks() const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  struct Stream {
    std::string kept;
    uint64_t total_bytes = 0;
    // Of all bytes; from the first one on that is not kept.
    std::unique_ptr<EVP_MD_CTX, FreeContext> digest;
    std::optional<Digest> restored;  // instead
  };
  struct Host {
    std::array<Stream, 2> streams;
    CommandEnding ending;
  };

  static Digest DigestOf(const Stream& stream);
  std::string Body(const Host& host, bool safe) const;
  std::string Head(const Group& group) const;
  std::vector<std::string> NamesOf(const std::vector<size_t>& hosts) const;

  const std::vector<std::string> names_;
  const Limits limits_;
  size_t kept_bytes_ = 0;
  std::vector<Host> hosts_;
};

// Whether nothing is known of how the command ended on the host, or it did not
// even begin.
bool IsWithoutResult(const CommandEnding& ending);

// Whether the host counts as failed: all but ok and truncated.
bool IsFailure(const CommandEnding& ending);

// "vm1, vm2" where that is short, else folded: "vm[1-64]".
std::string ListHosts(const std::vector<std::string>& names);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_GATHER_H_
