#include "agent/front/gate.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/format.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/grpc_status.h"
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

constexpr size_t kMostCallers = 4096;
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

class Processor : public grpc::AuthMetadataProcessor {
 public:
  explicit Processor(Gate& gate) : gate_(gate) {}

  // Runs on the thread that read the headers instead of one of a pool.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    auto path = metadata.find(":path");
    if (path == metadata.end() || context == nullptr) {
      return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no method");
    }
    const absl::string_view name(path->second.data(), path->second.size());
    absl::StatusOr<std::shared_ptr<const Caller>> caller =
        gate_.Admit(name, *context, OnBehalfIn(metadata));
    return ToGrpc(caller.status());
  }

 private:
  Gate& gate_;
};

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

Gate::Gate(CurrentTrust current_trust, OnDenied denied)
    : current_trust_(std::move(current_trust)), denied_(std::move(denied)) {}

absl::StatusOr<std::shared_ptr<const Caller>> Gate::FindCaller(
    absl::string_view pem, const Trust& trust) {
  {
    absl::MutexLock lock(&mutex_);
    auto known = callers_.find(pem);
    if (known != callers_.end()) return known->second;
  }
  ASSIGN_OR_RETURN(Caller judged, JudgeCertificate(pem, trust, absl::Now()));
  auto caller = std::make_shared<const Caller>(std::move(judged));
  absl::MutexLock lock(&mutex_);
  if (callers_.size() >= kMostCallers) callers_.clear();
  callers_.try_emplace(std::string(pem), caller);
  return caller;
}

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

absl::StatusOr<std::shared_ptr<const Caller>> Gate::Admit(
    absl::string_view path, const grpc::AuthContext& context,
    absl::string_view on_behalf) {
  const std::vector<grpc::string_ref> pems =
      context.FindPropertyValues("x509_pem_cert");
  absl::StatusOr<std::shared_ptr<const Caller>> caller =
      absl::PermissionDeniedError("the connection has no client certificate");
  std::shared_ptr<const Trust> trust = current_trust_();
  if (pems.size() == 1)
    caller = FindCaller({pems[0].data(), pems[0].size()}, *trust);
  absl::Status verdict =
      caller.ok() ? Judge(path, **caller, on_behalf, *trust) : caller.status();
  if (verdict.ok()) return caller;
  if (denied_) denied_(path, caller.ok() ? caller->get() : nullptr, verdict);
  return verdict;
}

absl::Status Gate::Recheck(const Caller& caller) const {
  return StillTrusted(caller, *current_trust_(), absl::Now());
}

std::shared_ptr<grpc::AuthMetadataProcessor> Gate::MakeProcessor() {
  return std::make_shared<Processor>(*this);
}

}  // namespace specula::agent
