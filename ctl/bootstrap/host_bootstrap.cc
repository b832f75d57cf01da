#include "ctl/bootstrap/host_bootstrap.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "ctl/bootstrap/assets.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// To connect, to log in, and to be greeted; with a person at the keyboard more.
constexpr absl::Duration kGreetingLimit = absl::Seconds(40);
constexpr absl::Duration kTypingLimit = absl::Minutes(3);
constexpr absl::Duration kOrderLimit = absl::Seconds(30);
constexpr absl::Duration kTransferLimit = absl::Minutes(20);
// The old agent's end, and the start of the new one.
constexpr absl::Duration kSwitchLimit = absl::Seconds(150);
constexpr absl::Duration kOldAgentLimit = absl::Seconds(15);
// Some of it may go to finding the name.
constexpr absl::Duration kCallLimit = absl::Seconds(10);
constexpr absl::Duration kBetweenCalls = absl::Milliseconds(250);
// So often not there: a supervisor may be about to start it again.
constexpr int kMostAbsences = 5;
constexpr size_t kBlock = 4096;  // as in remote.sh

absl::string_view WordOf(Supervisor supervisor) {
  return supervisor == Supervisor::kSystemd ? "systemd" : "plain";
}

std::shared_ptr<const std::string> Share(absl::string_view text) {
  return std::make_shared<const std::string>(text);
}

}  // namespace

HostBootstrap::HostBootstrap(const BootstrapSettings& settings,
                             const SshTarget& target,
                             const std::atomic<bool>& stop)
    : settings_(settings), target_(target), stop_(stop) {}

HostReport HostBootstrap::Run() {
  HostReport report;
  const absl::Time begun = SteadyNow();
  absl::Status status = Converse(report);
  if (!status.ok()) report.ending = EndingOf(status);
  session_.reset();
  if (!notes_.empty()) {
    absl::StrAppend(&report.detail, report.detail.empty() ? "" : "; ",
                    absl::StrJoin(notes_, "; "));
  }
  report.endpoint = endpoint_;
  report.elapsed = SteadyNow() - begun;
  return report;
}

absl::Status HostBootstrap::Converse(HostReport& report) {
  RETURN_IF_ERROR(FindAddress());
  const absl::string_view script = RemoteScript();
  ASSIGN_OR_RETURN(
      session_,
      SshSession::Start(
          SshWords(settings_.ssh, target_, RemoteCommand(script.size())), stop_,
          /*own_group=*/settings_.ssh.batch));
  ASSIGN_OR_RETURN(Facts facts, AskFacts());
  notes_ = facts.notes;
  ASSIGN_OR_RETURN(std::vector<WantedFile> wanted, Want(facts));
  ASSIGN_OR_RETURN(Plan plan, MakePlan(facts, wanted, settings_.plan));
  report.word = plan.word;
  if (settings_.dry_run) {
    report.ending = {};
    report.detail = absl::StrJoin(plan.send, " ",
                                  [](std::string* out, const WantedFile& file) {
                                    absl::StrAppend(out, file.name);
                                  });
    if (!plan.send.empty()) report.detail.insert(0, "would send ");
    if (plan.restart) {
      absl::StrAppend(&report.detail, report.detail.empty() ? "" : ", ",
                      "would start the agent");
    }
    return absl::OkStatus();
  }
  for (const WantedFile& file : plan.send) RETURN_IF_ERROR(Put(file));
  if (!plan.nothing_to_do()) return Switch(facts, plan, report);
  const Proof proof =
      Prove(certificate_.serial, settings_.wait, /*watch=*/false);
  report.ending = proof.ending;
  report.detail = proof.version;
  return absl::OkStatus();
}

absl::Status HostBootstrap::FindAddress() {
  const uint16_t port = settings_.listen.port != 0 ? settings_.listen.port
                        : target_.known            ? target_.address.port
                                                   : kAgentPort;
  if (target_.known) {
    endpoint_ = {{target_.address.host, port}, target_.certificate_name};
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string told,
                   OutputOf(SshWords(settings_.ssh, target_, "")));
  std::string host = HostNameOf(told);
  if (host.empty()) host = target_.name;
  endpoint_ = {{host, port}, host};
  return absl::OkStatus();
}

absl::StatusOr<Facts> HostBootstrap::AskFacts() {
  // All in one go: it costs one way less.
  const std::string begin = absl::StrCat(
      RemoteScript(), settings_.dry_run ? "" : "begin\n", "facts\n");
  const absl::Time deadline =
      SteadyNow() + (settings_.ssh.batch ? kGreetingLimit : kTypingLimit);
  RETURN_IF_ERROR(session_->Send(begin, deadline));
  std::vector<Reply> before;
  if (!settings_.dry_run) {
    ASSIGN_OR_RETURN(before, session_->Await("begin", deadline));
  }
  ASSIGN_OR_RETURN(std::vector<Reply> replies,
                   session_->Await("facts", deadline));
  replies.insert(replies.end(), before.begin(), before.end());
  return ParseFacts(replies);
}

std::string HostBootstrap::ConfigText() const {
  HostPort listen{absl::StrReplaceAll(settings_.listen.host,
                                      {{"%h", endpoint_.address.host}}),
                  endpoint_.address.port};
  return absl::StrCat(
      "# Written by specula bootstrap, which leaves this file alone from now "
      "on unless it is given\n# another one (--agent-config). specula-agent "
      "--help names all settings.\n",
      "listen = \"", FormatHostPort(listen),
      "\"\n"
      "ca = \"/etc/specula/tls/ca.crt\"\n"
      "cert = \"/etc/specula/tls/agent.crt\"\n"
      "key = \"/etc/specula/tls/agent.key\"\n"
      "denylist = \"/etc/specula/tls/denylist\"\n",
      settings_.config.empty() ? "" : "\n", settings_.config);
}

absl::StatusOr<std::vector<WantedFile>> HostBootstrap::Want(
    const Facts& facts) {
  std::vector<WantedFile> wanted;
  // Before a certificate is issued for nothing.
  if (!settings_.plan.certificates_only) {
    ASSIGN_OR_RETURN(WantedFile agent,
                     settings_.programs.For(facts.architecture));
    wanted.push_back(std::move(agent));
  }
  RETURN_IF_ERROR(MakePlan(facts, {}, settings_.plan).status());
  CertificateWish wish;
  wish.name = AgentNameOf(target_.name);
  wish.sans = settings_.sans;
  wish.sans.push_back(endpoint_.certificate_name);
  if (endpoint_.address.host != endpoint_.certificate_name) {
    wish.sans.push_back(endpoint_.address.host);
  }
  wish.within = settings_.within;
  wish.days = settings_.days;
  wish.now = absl::Now();
  ASSIGN_OR_RETURN(certificate_,
                   CertificateFor(settings_.pki, wish, settings_.dry_run));
  wanted.push_back(MakeWantedFile("config", Share(ConfigText())));
  wanted.push_back(MakeWantedFile("ca", settings_.roots_pem));
  wanted.push_back(MakeWantedFile("key", Share(certificate_.key_pem)));
  wanted.push_back(MakeWantedFile("cert", Share(certificate_.certificate_pem)));
  wanted.push_back(MakeWantedFile("denylist", settings_.denylist));
  wanted.push_back(MakeWantedFile("unit", Share(AgentUnit())));
  wanted.push_back(MakeWantedFile("sysusers", Share(SystemUsers())));
  wanted.push_back(MakeWantedFile("tmpfiles", Share(TemporaryFiles())));
  return wanted;
}

absl::Status HostBootstrap::Put(const WantedFile& file) {
  const absl::Time deadline = SteadyNow() + kTransferLimit;
  const size_t size = file.content->size();
  RETURN_IF_ERROR(session_->Send(
      absl::StrCat("put ", file.name, " ", size, " ", file.sha256, "\n"),
      deadline));
  RETURN_IF_ERROR(session_->Send(*file.content, deadline));
  RETURN_IF_ERROR(session_->Send(
      std::string((kBlock - size % kBlock) % kBlock, '\0'), deadline));
  return session_->Await("put", deadline).status();
}

absl::StatusOr<std::vector<Reply>> HostBootstrap::Order(
    const std::string& order, absl::Duration limit) {
  const absl::Time deadline = SteadyNow() + limit;
  RETURN_IF_ERROR(session_->Send(absl::StrCat(order, "\n"), deadline));
  const std::vector<std::string> words = absl::StrSplit(order, ' ');
  return session_->Await(words.front(), deadline);
}

absl::Status HostBootstrap::Switch(const Facts& facts, const Plan& plan,
                                   HostReport& report) {
  if (stop_) return absl::CancelledError("interrupted");
  // From here on an end in good order is worth waiting for.
  session_->IgnoreStop();
  const int64_t patience = absl::ToInt64Seconds(settings_.wait + kSwitchLimit);
  ASSIGN_OR_RETURN(
      std::vector<Reply> replies,
      Order(absl::StrCat("switch ", plan.restart ? "restart " : "reload ",
                         WordOf(plan.supervisor), " ", patience),
            kSwitchLimit));
  for (const Reply& reply : replies) {
    if (reply.key == "note") notes_.push_back(EscapeControls(reply.value));
  }
  const Proof proof = Prove(certificate_.serial, settings_.wait, plan.restart);
  if (proof.ending.outcome != Outcome::kOk) {
    return Undo(facts, plan, proof.ending, report);
  }
  RETURN_IF_ERROR(Order("commit", kOrderLimit).status());
  report.ending = {};
  report.detail = proof.version;
  return absl::OkStatus();
}

absl::Status HostBootstrap::Undo(const Facts& facts, const Plan& plan,
                                 const Ending& why, HostReport& report) {
  std::string log;
  if (plan.restart) {
    absl::StatusOr<std::vector<Reply>> lines = Order("log", kOrderLimit);
    for (const Reply& reply : lines.value_or(std::vector<Reply>())) {
      if (reply.key == "log") log = EscapeControls(reply.value);
    }
  }
  absl::Status undone = Order("rollback", kSwitchLimit).status();
  report.ending = why;
  report.settled = undone.ok();
  if (!log.empty()) {
    absl::StrAppend(&report.ending.reason, " (its log: ", log, ")");
  }
  if (!undone.ok()) {
    report.ending.outcome = Outcome::kLost;
    report.detail =
        absl::StrCat("whether it was undone is not known: ", undone.message());
  } else if (facts.agent.pid == 0) {
    report.detail = "undone: the host is as it was";
  } else {
    const Proof old = Prove("", kOldAgentLimit, /*watch=*/false);
    report.detail =
        old.ending.outcome == Outcome::kOk
            ? absl::StrCat("undone: the agent from before answers (",
                           old.version, ")")
            : absl::StrCat(
                  "undone, but the agent from before does not "
                  "answer, this host needs a hand: ",
                  old.ending.reason);
  }
  report.word = "";
  return absl::OkStatus();
}

Proof HostBootstrap::Prove(const std::string& serial, absl::Duration limit,
                           bool watch) {
  const absl::Time deadline = SteadyNow() + limit;
  int absences = 0;
  while (true) {
    Proof proof = AskForProof(endpoint_, settings_.credentials,
                              std::min(limit, kCallLimit));
    if (proof.ending.outcome == Outcome::kOk) {
      if (!serial.empty() && proof.serial != serial) {
        proof.ending = {Outcome::kFailed,
                        absl::StrCat("the agent shows certificate ",
                                     proof.serial, ", not ", serial)};
        if (!proof.reload_error.empty()) {
          absl::StrAppend(&proof.ending.reason, ": ",
                          EscapeControls(proof.reload_error));
        }
      } else {
        return proof;
      }
    }
    if (stop_) {
      // An old agent is asked for all the same, but not for long.
      if (!serial.empty()) proof.ending = {Outcome::kFailed, "interrupted"};
      if (!serial.empty() || SteadyNow() > deadline) return proof;
    }
    if (SteadyNow() > deadline) return proof;
    if (watch) {
      absl::StatusOr<std::vector<Reply>> replies = Order("alive", kOrderLimit);
      if (!replies.ok()) {
        proof.ending = EndingOf(replies.status());
        return proof;
      }
      for (const Reply& reply : *replies) {
        absl::StatusOr<AgentProcess> agent = ParseAgentProcess(reply.value);
        if (reply.key == "agent" && agent.ok() && agent->pid == 0) ++absences;
      }
      if (absences >= kMostAbsences) {
        proof.ending = {Outcome::kFailed, "the new agent does not stay up"};
        return proof;
      }
    }
    absl::SleepFor(kBetweenCalls);
  }
}

Ending HostBootstrap::EndingOf(const absl::Status& status) const {
  const std::string message(status.message());
  if (absl::IsUnavailable(status) && session_ != nullptr) {
    std::string words = session_->LastWords();
    if (session_->greeted()) {
      return {
          Outcome::kLost,
          absl::StrCat("the ssh session broke off", words.empty() ? "" : ": ",
                       words, "; the host undoes what was not committed")};
    }
    if (words.empty()) words = "ssh ended without a word";
    if (absl::StrContains(words, "Permission denied") ||
        absl::StrContains(words, "sudo")) {
      return {Outcome::kDenied, words};
    }
    if (absl::StrContains(words, "Host key verification failed")) {
      return {Outcome::kRefused,
              absl::StrCat(words,
                           " Log in once by hand, or see StrictHostKeyChecking "
                           "in ssh_config(5).")};
    }
    return {Outcome::kUnreachable, words};
  }
  if (absl::IsDeadlineExceeded(status)) {
    const bool greeted = session_ != nullptr && session_->greeted();
    return {greeted ? Outcome::kTimeout : Outcome::kUnreachable, message};
  }
  return {Outcome::kFailed, message};
}

}  // namespace specula::ctl
