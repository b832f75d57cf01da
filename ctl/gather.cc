#include "ctl/gather.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ctl/hosts/fold.h"
#include "ctl/line_diff.h"
#include "ctl/terminal_filter.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr char kErrorMark[] = "stderr: ";
// As many are listed one by one, if they fit a line.
constexpr size_t kMostListed = 8;
constexpr size_t kMostListedBytes = 80;

std::string Safe(absl::string_view bytes, bool safe) {
  if (!safe) return std::string(bytes);
  TerminalFilter filter;
  std::string text = filter.Feed(bytes);
  text += filter.Flush();
  return text;
}

void EndLine(std::string& text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
}

std::string Marked(absl::string_view text) {
  std::string marked;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    absl::StrAppend(&marked, kErrorMark, text.substr(0, end));
    text.remove_prefix(end);
  }
  return marked;
}

}  // namespace

bool IsWithoutResult(const CommandEnding& ending) {
  switch (ending.outcome) {
    case Outcome::kOk:
    case Outcome::kExit:
    case Outcome::kSignal:
    case Outcome::kTruncated:
      return false;
    case Outcome::kTimeout:
      // 124 is a command that was ended; else the host did not even answer.
      return ending.exit_code != 124;
    default:
      return true;
  }
}

bool IsFailure(const CommandEnding& ending) {
  return ending.outcome != Outcome::kOk &&
         ending.outcome != Outcome::kTruncated;
}

std::string ListHosts(const std::vector<std::string>& names) {
  if (names.size() <= kMostListed) {
    std::string list = absl::StrJoin(names, ", ");
    if (list.size() <= kMostListedBytes) return list;
  }
  return FoldHosts(names);
}

Gather::Gather(std::vector<std::string> names, Limits limits)
    : names_(std::move(names)), limits_(limits), hosts_(names_.size()) {}

void Gather::Add(size_t host, OutputStream which, absl::string_view bytes) {
  Host& record = hosts_[host];
  Stream& stream = record.streams[static_cast<size_t>(which)];
  stream.total_bytes += bytes.size();
  if (stream.digest == nullptr) {
    const size_t of_host =
        record.streams[0].kept.size() + record.streams[1].kept.size();
    const size_t room =
        std::min(limits_.host_bytes - std::min(limits_.host_bytes, of_host),
                 limits_.total_bytes - kept_bytes_);
    const absl::string_view fits = bytes.substr(0, room);
    absl::StrAppend(&stream.kept, fits);
    kept_bytes_ += fits.size();
    if (fits.size() == bytes.size()) return;
    bytes.remove_prefix(fits.size());
    stream.digest.reset(EVP_MD_CTX_new());
    EVP_DigestInit_ex(stream.digest.get(), EVP_sha256(), nullptr);
    EVP_DigestUpdate(stream.digest.get(), stream.kept.data(),
                     stream.kept.size());
  }
  EVP_DigestUpdate(stream.digest.get(), bytes.data(), bytes.size());
}

void Gather::End(size_t host, CommandEnding ending) {
  hosts_[host].ending = std::move(ending);
}

KeptOutput Gather::Kept(size_t host, OutputStream which) const {
  const Stream& stream = hosts_[host].streams[static_cast<size_t>(which)];
  return {stream.kept, stream.total_bytes, DigestOf(stream)};
}

void Gather::Restore(size_t host, OutputStream which,
                     const KeptOutput& output) {
  Stream& stream = hosts_[host].streams[static_cast<size_t>(which)];
  stream.kept = std::string(output.kept);
  stream.total_bytes = output.total_bytes;
  stream.restored = output.digest;
}

Gather::Digest Gather::DigestOf(const Stream& stream) {
  if (stream.restored.has_value()) return *stream.restored;
  Digest digest = {};
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  if (stream.digest != nullptr) {
    EVP_MD_CTX_copy_ex(context.get(), stream.digest.get());
  } else {
    EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
    EVP_DigestUpdate(context.get(), stream.kept.data(), stream.kept.size());
  }
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  return digest;
}

std::vector<Gather::Group> Gather::Groups() const {
  auto kept = [this](size_t host) {
    return hosts_[host].streams[0].kept.size() +
           hosts_[host].streams[1].kept.size();
  };
  std::map<std::tuple<std::string, Digest, Digest>, Group> groups;
  for (size_t host = 0; host < hosts_.size(); ++host) {
    Group& group = groups[{OutcomeWord(hosts_[host].ending),
                           DigestOf(hosts_[host].streams[0]),
                           DigestOf(hosts_[host].streams[1])}];
    if (group.hosts.empty() || kept(host) > kept(group.most_kept)) {
      group.most_kept = host;
    }
    group.hosts.push_back(host);
  }
  std::vector<Group> sorted;
  sorted.reserve(groups.size());
  for (auto& [key, group] : groups) sorted.push_back(std::move(group));
  std::sort(sorted.begin(), sorted.end(), [](const Group& a, const Group& b) {
    if (a.hosts.size() != b.hosts.size()) {
      return a.hosts.size() > b.hosts.size();
    }
    return a.hosts.front() < b.hosts.front();
  });
  return sorted;
}

std::string Gather::Body(const Host& host, bool safe) const {
  std::string text;
  for (const OutputStream which :
       {OutputStream::kOutput, OutputStream::kError}) {
    const Stream& stream = host.streams[static_cast<size_t>(which)];
    const bool error = which == OutputStream::kError;
    EndLine(text);
    const std::string shown = Safe(stream.kept, safe);
    text += error ? Marked(shown) : shown;
    if (stream.total_bytes > stream.kept.size()) {
      EndLine(text);
      absl::StrAppend(&text, "[specula: ",
                      FormatBytes(static_cast<int64_t>(stream.total_bytes -
                                                       stream.kept.size())),
                      " more of standard ", error ? "error" : "output",
                      " not kept; --out-dir keeps all]\n");
    }
  }
  return text;
}

std::vector<std::string> Gather::NamesOf(
    const std::vector<size_t>& hosts) const {
  std::vector<std::string> names;
  names.reserve(hosts.size());
  for (const size_t host : hosts) names.push_back(names_[host]);
  return names;
}

std::string Gather::Head(const Group& group) const {
  return absl::StrCat(EscapeControls(FoldHosts(NamesOf(group.hosts))), " (",
                      group.hosts.size(),
                      "): ", OutcomeWord(hosts_[group.most_kept].ending));
}

std::string Gather::ViewFolded(bool safe) const {
  std::string text;
  for (const Group& group : Groups()) {
    const std::string body = Body(hosts_[group.most_kept], safe);
    if (body.empty()) continue;
    absl::StrAppend(&text, "---- ", Head(group), " ----\n", body);
    EndLine(text);
  }
  return text;
}

std::string Gather::ViewDiff(bool safe) const {
  std::string text;
  std::string majority;
  std::string majority_head;
  bool first = true;
  for (const Group& group : Groups()) {
    const Host& host = hosts_[group.most_kept];
    if (IsWithoutResult(host.ending)) continue;
    const std::string body = Body(host, safe);
    if (std::exchange(first, false)) {
      majority = body;
      majority_head = Head(group);
      absl::StrAppend(&text, "---- ", majority_head, " ----\n", body);
      EndLine(text);
      continue;
    }
    absl::StrAppend(&text, "--- ", majority_head, "\n+++ ", Head(group), "\n",
                    UnifiedDiff(majority, body));
  }
  return text;
}

std::string Gather::ViewSummary() const {
  // By the order of the words, then by number.
  std::map<std::pair<Outcome, int>, std::vector<size_t>> outcomes;
  for (size_t host = 0; host < hosts_.size(); ++host) {
    const CommandEnding& ending = hosts_[host].ending;
    const bool numbered =
        ending.outcome == Outcome::kExit || ending.outcome == Outcome::kSignal;
    outcomes[{ending.outcome, numbered ? ending.number : 0}].push_back(host);
  }
  std::string text;
  for (const auto& [outcome, hosts] : outcomes) {
    const CommandEnding& ending = hosts_[hosts.front()].ending;
    std::string word = OutcomeWord(ending);
    if (ending.outcome == Outcome::kOk) word = "Success (code=0)";
    if (ending.outcome == Outcome::kExit) {
      word = absl::StrCat("Failed (code=", ending.number, ")");
    }
    absl::StrAppend(&text, word, ": ",
                    EscapeControls(ListHosts(NamesOf(hosts))), "\n");
  }
  return text;
}

std::vector<std::string> Gather::Remarks() const {
  std::vector<std::string> texts;
  std::map<std::string, std::vector<size_t>> hosts_of;
  auto add = [&](std::string text, size_t host) {
    std::vector<size_t>& hosts = hosts_of[text];
    if (hosts.empty()) texts.push_back(std::move(text));
    hosts.push_back(host);
  };
  for (size_t host = 0; host < hosts_.size(); ++host) {
    const CommandEnding& ending = hosts_[host].ending;
    if (!ending.reason.empty()) {
      add(absl::StrCat(OutcomeWord(ending), ": ", ending.reason), host);
    }
    for (const std::string& note : ending.notes) add(note, host);
  }
  std::vector<std::string> remarks;
  remarks.reserve(texts.size());
  for (const std::string& text : texts) {
    remarks.push_back(absl::StrCat(
        EscapeControls(ListHosts(NamesOf(hosts_of[text]))), ": ", text));
  }
  return remarks;
}

}  // namespace specula::ctl
