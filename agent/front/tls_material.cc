#include "agent/front/tls_material.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/slow_kinds.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// A file that was written less than this ago is read at each Poll, as a second
// write may fall within the granularity of the file system's clock.
constexpr absl::Duration kFresh = absl::Seconds(3);

std::string Mark(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return absl::StrCat("errno ", errno);
  if (absl::Now() - absl::TimeFromTimespec(info.st_mtim) < kFresh) return "";
  return absl::StrCat(info.st_dev, "/", info.st_ino, "/", info.st_size, "/",
                      info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, "/",
                      info.st_ctim.tv_sec, ".", info.st_ctim.tv_nsec);
}

absl::Status WithPath(const absl::Status& status, const std::string& path) {
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

}  // namespace

TlsMaterial::TlsMaterial(TlsPaths paths) {
  ca_.path = std::move(paths.ca);
  certificate_.path = std::move(paths.certificate);
  key_.path = std::move(paths.key);
  key_.secret = true;
  key_.reader = std::move(paths.reader);
  denylist_.path = std::move(paths.denylist);
}

absl::StatusOr<std::unique_ptr<TlsMaterial>> TlsMaterial::Load(TlsPaths paths) {
  std::unique_ptr<TlsMaterial> material(new TlsMaterial(std::move(paths)));
  for (File* file :
       {&material->ca_, &material->certificate_, &material->key_}) {
    Take(LookAt(*file), *file);
  }
  RETURN_IF_ERROR(material->TakeIdentity());
  if (!material->denylist_.path.empty()) {
    Take(LookAt(material->denylist_), material->denylist_);
    RETURN_IF_ERROR(material->TakeDenylist());
  }
  return material;
}

TlsMaterial::Look TlsMaterial::LookAt(const File& file) {
  // The mark is taken before the content, so a write in between is seen next
  // time.
  Look look{Mark(file.path), std::nullopt};
  if (look.mark.empty() || look.mark != file.mark) {
    look.content = file.secret ? ReadSecretFileFor(file.reader, file.path)
                               : ReadFile(file.path);
  }
  return look;
}

bool TlsMaterial::Take(Look look, File& file) {
  file.mark = std::move(look.mark);
  if (!look.content) return false;
  const absl::StatusOr<std::string>& content = *look.content;
  const bool changed = content.status() != file.content.status() ||
                       (content.ok() && *content != *file.content);
  file.content = *std::move(look.content);
  return changed;
}

absl::StatusOr<TlsMaterial::Checked> TlsMaterial::CheckIdentity() const {
  for (const File* file : {&ca_, &certificate_, &key_}) {
    RETURN_IF_ERROR(file->content.status());
  }
  absl::Status sound = CheckMaterial(*ca_.content, *certificate_.content,
                                     *key_.content, absl::Now());
  if (!sound.ok()) {
    return absl::Status(sound.code(),
                        absl::StrCat(certificate_.path, " with ", key_.path,
                                     " and ", ca_.path, ": ", sound.message()));
  }
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(*certificate_.content);
  if (!certificate.ok())
    return WithPath(certificate.status(), certificate_.path);
  absl::StatusOr<Identity> identity = IdentityOf(*certificate);
  if (!identity.ok()) return WithPath(identity.status(), certificate_.path);
  if (identity->role != Role::kAgent || !certificate->server_auth) {
    return absl::FailedPreconditionError(absl::StrCat(
        certificate_.path, ": not an agent's certificate (it has the role ",
        RoleName(identity->role),
        "); make one with: specula pki agent DIR NAME"));
  }
  ASSIGN_OR_RETURN(std::vector<Certificate> roots,
                   ParseCertificatesPem(*ca_.content));
  absl::flat_hash_set<std::string> authorities;
  for (Certificate& root : roots) authorities.insert(std::move(root.sha256));
  ASSIGN_OR_RETURN(
      std::shared_ptr<const TlsContext> context,
      TlsContext::Make(*ca_.content, *certificate_.content, *key_.content));
  return Checked{std::move(context), *std::move(identity),
                 std::move(authorities), certificate->not_after};
}

absl::Status TlsMaterial::TakeIdentity() {
  ASSIGN_OR_RETURN(Checked checked, CheckIdentity());
  absl::MutexLock lock(&mutex_);
  context_ = std::move(checked.context);
  auto trust = std::make_shared<Trust>(trust_ == nullptr ? Trust() : *trust_);
  trust->trust_domain = checked.identity.trust_domain;
  trust->authorities = std::move(checked.authorities);
  trust_ = std::move(trust);
  ++state_.generation;
  state_.expire_time = checked.expire_time;
  return absl::OkStatus();
}

absl::Status TlsMaterial::TakeDenylist() {
  absl::Status status = denylist_hang_;
  status.Update(denylist_.content.status());
  Denylist serials;
  if (status.ok()) {
    absl::StatusOr<Denylist> parsed = ParseDenylist(*denylist_.content);
    if (parsed.ok()) {
      serials = *std::move(parsed);
    } else {
      status = WithPath(parsed.status(), denylist_.path);
    }
  }
  absl::MutexLock lock(&mutex_);
  auto trust = std::make_shared<Trust>(*trust_);
  trust->denylist_unreadable = !status.ok();
  if (status.ok()) trust->denied = std::move(serials);
  trust_ = std::move(trust);
  return status;
}

SlowCalls::Call TlsMaterial::LookLater(absl::string_view key,
                                       std::shared_ptr<Group> group) {
  return {kTlsFiles, std::string(key), [group]() -> SlowCalls::Apply {
            std::vector<Look> looks;
            for (const File& file : group->files) {
              group->at = looks.size();
              looks.push_back(LookAt(file));
            }
            return [group, looks = std::move(looks)] { group->looks = looks; };
          }};
}

void TlsMaterial::Poll(SlowCalls& slow, EventLoop& loop,
                       std::function<void()> changed) {
  if (looking_) return;
  looking_ = true;
  const auto without_content = [](const File& file) {
    return File{file.path, file.secret, file.reader, file.mark, std::string()};
  };
  auto identity = std::make_shared<Group>();
  for (const File* file : {&ca_, &certificate_, &key_})
    identity->files.push_back(without_content(*file));
  std::vector<SlowCalls::Call> calls = {LookLater("tls", identity)};
  auto denylist = std::make_shared<Group>();
  if (!denylist_.path.empty()) {
    denylist->files.push_back(without_content(denylist_));
    calls.push_back(LookLater("denylist", denylist));
  }
  slow.Run(std::move(calls),
           [this, &loop, identity, denylist,
            changed = std::move(changed)](const std::vector<std::string>&) {
             loop.Post([this, identity, denylist, changed] {
               Looked(*identity, *denylist, changed);
             });
           });
}

bool TlsMaterial::SetHang(const Group& group, absl::Status& hang) {
  const bool hangs = group.looks.size() < group.files.size();
  if (hangs == !hang.ok()) return false;
  // The file that it is about is known from the first look that hangs.
  hang = hangs ? absl::UnavailableError(absl::StrCat(group.files[group.at].path,
                                                     ": does not answer"))
               : absl::OkStatus();
  return true;
}

// What was found is taken over by the loop alone, file by file; a group that
// does not answer leaves what is in use as it is.
void TlsMaterial::Looked(Group& identity, Group& denylist,
                         const std::function<void()>& changed) {
  looking_ = false;
  bool news = SetHang(identity, identity_hang_);
  if (news && identity_hang_.ok()) {
    Log(LogLevel::kInfo, "TLS files answer again");
  } else if (news) {
    Log(LogLevel::kError, "TLS files do not answer; the old stay in use",
        {{"reason", identity_hang_.message()}});
  }
  File* const files[] = {&ca_, &certificate_, &key_};
  bool other = false;
  for (size_t i = 0; i < identity.looks.size(); ++i)
    other |= Take(std::move(identity.looks[i]), *files[i]);
  if (other) TakeNewIdentity();
  news |= other;

  const bool turned = SetHang(denylist, denylist_hang_);
  other = !denylist.looks.empty() &&
          Take(std::move(denylist.looks.front()), denylist_);
  if (turned || other) TakeNewDenylist();
  news |= turned || other;

  if (!news) return;
  SetError();
  changed();
}

void TlsMaterial::TakeNewIdentity() {
  identity_error_ = TakeIdentity();
  if (identity_error_.ok()) {
    Log(LogLevel::kInfo, "new TLS material is in use",
        {{"certificate", certificate_.path},
         {"expires",
          absl::FormatTime(state().expire_time, absl::UTCTimeZone())}});
  } else {
    Log(LogLevel::kError, "new TLS material is bad; the old stays in use",
        {{"reason", identity_error_.message()}});
  }
}

void TlsMaterial::TakeNewDenylist() {
  denylist_error_ = TakeDenylist();
  if (denylist_error_.ok()) {
    Log(LogLevel::kInfo, "denylist was read",
        {{"path", denylist_.path}, {"serials", trust()->denied.size()}});
  } else {
    Log(LogLevel::kError,
        "denylist cannot be read; the old one stays in use and only methods "
        "that "
        "change nothing are allowed",
        {{"reason", denylist_error_.message()}});
  }
}

void TlsMaterial::SetError() {
  absl::MutexLock lock(&mutex_);
  state_.error.clear();
  for (const absl::Status* error :
       {&identity_hang_, &identity_error_, &denylist_error_}) {
    if (state_.error.empty()) state_.error = std::string(error->message());
  }
}

std::shared_ptr<const TlsContext> TlsMaterial::context() const {
  absl::MutexLock lock(&mutex_);
  return context_;
}

std::shared_ptr<const Trust> TlsMaterial::trust() const {
  absl::MutexLock lock(&mutex_);
  return trust_;
}

TlsMaterial::State TlsMaterial::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

}  // namespace specula::agent
