#include "agent/front/gate.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/format.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/on_behalf.h"

namespace specula::agent {
namespace {

// What a method takes. kAnyone: any certificate with a role, the agent's own
// among them, so that a probe can ask for health.
enum class Least { kAnyone, kViewer, kOperator };

struct Rule {
  absl::string_view path;
  Least least;
};

constexpr Rule kRules[] = {
    {"/specula.v1.Specula/Status", Least::kViewer},
    {"/specula.v1.Specula/Cpu", Least::kViewer},
    {"/specula.v1.Specula/Mem", Least::kViewer},
    {"/specula.v1.Specula/Disk", Least::kViewer},
    {"/specula.v1.Specula/Processes", Least::kViewer},
    {"/specula.v1.Specula/Watch", Least::kViewer},
    {"/specula.v1.Specula/Tail", Least::kOperator},
    {"/specula.v1.Specula/Exec", Least::kOperator},
    {"/specula.v1.Specula/Start", Least::kOperator},
    {"/specula.v1.Specula/Kill", Least::kOperator},
    {"/grpc.health.v1.Health/Check", Least::kAnyone},
    {"/grpc.health.v1.Health/Watch", Least::kAnyone},
};

constexpr size_t kMostOnBehalfBytes = 64;

const Rule* FindRule(absl::string_view path) {
  const Rule* rule =
      std::find_if(std::begin(kRules), std::end(kRules),
                   [&](const Rule& r) { return r.path == path; });
  return rule == std::end(kRules) ? nullptr : rule;
}

bool Allows(Least least, Role role) {
  switch (role) {
    case Role::kAdmin:
    case Role::kOperator:
    case Role::kShim:
      return true;
    case Role::kViewer:
      return least != Least::kOperator;
    case Role::kAgent:
      return least == Least::kAnyone;
  }
  return false;
}

}  // namespace

absl::Status CheckMethod(absl::string_view path, Role role) {
  const Rule* rule = FindRule(path);
  if (rule == nullptr) {
    return absl::PermissionDeniedError(
        absl::StrCat("no role may call ", EscapeControls(path.substr(0, 128))));
  }
  if (Allows(rule->least, role)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(path, " takes the role ",
                   rule->least == Least::kOperator ? "operator" : "viewer",
                   " or above; the certificate has the role ", RoleName(role)));
}

absl::Status CheckOnBehalf(absl::string_view path, Role role,
                           absl::string_view on_behalf) {
  if (role != Role::kShim) {
    if (on_behalf.empty()) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("only a shim acts on behalf of another; the certificate "
                     "has the role ",
                     RoleName(role)));
  }
  if (on_behalf.empty() && IsMutating(path)) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, " takes, from a shim, the name of a token in ", kOnBehalfKey));
  }
  const bool printable =
      std::all_of(on_behalf.begin(), on_behalf.end(),
                  [](char byte) { return byte >= ' ' && byte <= '~'; });
  if (printable && on_behalf.size() <= kMostOnBehalfBytes) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat(
      kOnBehalfKey, " is at most ", kMostOnBehalfBytes, " printable bytes"));
}

bool IsMutating(absl::string_view path) {
  const Rule* rule = FindRule(path);
  return rule == nullptr || rule->least == Least::kOperator;
}

Gate::Gate(const Peers& peers, CurrentTrust current_trust, OnDenied denied)
    : peers_(peers),
      current_trust_(std::move(current_trust)),
      denied_(std::move(denied)) {}

absl::Status Gate::Judge(absl::string_view path, const Caller& caller,
                         absl::string_view on_behalf,
                         const Trust& trust) const {
  RETURN_IF_ERROR(StillTrusted(caller, trust, absl::Now()));
  if (caller.identity.trust_domain != trust.trust_domain) {
    return absl::PermissionDeniedError(
        "the agent is of another trust domain now");
  }
  RETURN_IF_ERROR(CheckMethod(path, caller.identity.role));
  RETURN_IF_ERROR(CheckOnBehalf(path, caller.identity.role, on_behalf));
  if (trust.denylist_unreadable && IsMutating(path)) {
    return absl::PermissionDeniedError(
        "the agent cannot read its denylist of revoked certificates, so it "
        "only answers questions; see its log");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Peer>> Gate::Admit(
    absl::string_view path, absl::string_view grpc_peer,
    absl::string_view on_behalf) const {
  std::shared_ptr<const Peer> peer = peers_.Find(grpc_peer);
  absl::Status verdict;
  if (peer == nullptr) {
    verdict = absl::PermissionDeniedError("the connection is closed");
  } else if (peer->caller == nullptr) {
    verdict =
        absl::PermissionDeniedError("the connection has no client certificate");
  } else {
    verdict = Judge(path, *peer->caller, on_behalf, *current_trust_());
  }
  if (verdict.ok()) return peer;
  if (denied_) denied_(path, peer.get(), verdict);
  return verdict;
}

absl::Status Gate::Recheck(const Caller& caller) const {
  return StillTrusted(caller, *current_trust_(), absl::Now());
}

}  // namespace specula::agent
