// Asks an agent for its status, runs a command, cancels another, follows a
// file.
//
//   SPECULA_CA=… SPECULA_CERT=… SPECULA_KEY=… consumer ADDRESS NAME FILE
//
// NAME is what the agent's certificate is for.
#include <absl/synchronization/notification.h>
#include <specula/client/agent_client.h>
#include <specula/client/channel.h>
#include <specula/client/credentials.h>
#include <specula/client/exec_call.h>
#include <specula/client/outcome.h>
#include <specula/client/tail_call.h>
#include <specula/rpc/tls_policy.h>

#include <atomic>
#include <cstdlib>
#include <iostream>

namespace {

std::string Setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::Status ShowStatus(const std::shared_ptr<grpc::Channel>& channel) {
  absl::StatusOr<specula::v1::StatusResponse> answer;
  absl::Notification done;
  specula::AgentClient(channel).Status(
      {}, absl::Seconds(10),
      [&](absl::StatusOr<specula::v1::StatusResponse> response) {
        answer = std::move(response);
        done.Notify();
      });
  done.WaitForNotification();
  if (!answer.ok()) return answer.status();
  std::cout << "status: " << answer->host().hostname() << ", "
            << answer->memory().total_bytes() << " bytes of memory"
            << std::endl;
  return absl::OkStatus();
}

specula::v1::ExecRequest Shell(const std::string& line) {
  specula::v1::ExecRequest request;
  request.mutable_command()->set_shell(line);
  return request;
}

// Output, both streams, and how it ended.
absl::Status Exec(const std::shared_ptr<grpc::Channel>& channel,
                  const specula::Endpoint& endpoint) {
  std::string out, err;
  specula::v1::ExecExited exited;
  absl::Status status;
  absl::Notification done;
  std::shared_ptr<specula::ExecCall> call;
  specula::ExecEvents events;
  events.started = [](const auto&) {};
  events.output = [&](const std::string& bytes) {
    out += bytes;
    call->Continue();
  };
  events.error_output = [&](const std::string& bytes) {
    err += bytes;
    call->Continue();
  };
  events.exited = [&](const auto& end) { exited = end; };
  events.finished = [&](const absl::Status& end) {
    status = end;
    done.Notify();
  };
  call = specula::ExecCall::Create(channel,
                                   Shell("echo hello; echo oops >&2; exit 3"),
                                   {}, std::move(events));
  call->Start();
  done.WaitForNotification();
  if (!status.ok()) return status;
  const specula::CommandEnding ending =
      specula::ClassifyCommand(&exited, status, true, endpoint);
  if (ending.outcome != specula::Outcome::kExit) {
    return absl::InternalError(specula::OutcomeWord(ending));
  }
  std::cout << "exec: out=" << out.substr(0, out.size() - 1)
            << " err=" << err.substr(0, err.size() - 1)
            << " exit=" << ending.number << std::endl;
  return absl::OkStatus();
}

// Cancelling the call ends the whole process tree on the host.
absl::Status CancelExec(const std::shared_ptr<grpc::Channel>& channel) {
  absl::Status status;
  absl::Notification done;
  std::shared_ptr<specula::ExecCall> call;
  specula::ExecEvents events;
  events.started = [](const auto&) {};
  events.output = [&](const std::string&) { call->Cancel(); };
  events.error_output = events.output;
  events.exited = [](const auto&) {};
  events.finished = [&](const absl::Status& end) {
    status = end;
    done.Notify();
  };
  call = specula::ExecCall::Create(
      channel, Shell("setsid sleep 600 & sleep 600 & echo ready; wait"), {},
      std::move(events));
  call->Start();
  done.WaitForNotification();
  std::cout << "cancel: " << absl::StatusCodeToString(status.code())
            << std::endl;
  return absl::IsCancelled(status) ? absl::OkStatus() : status;
}

// The last two lines, and one that is appended.
absl::Status Tail(const std::shared_ptr<grpc::Channel>& channel,
                  const std::string& path) {
  specula::v1::TailRequest request;
  request.set_path(path);
  request.set_lines(2);
  request.set_follow(true);
  absl::Status status;
  absl::Notification done;
  std::shared_ptr<specula::TailCall> call;
  std::string text;
  specula::TailEvents events;
  events.data = [&](const std::string& bytes) {
    text += bytes;
    size_t end = text.find('\n');
    for (; end != std::string::npos; end = text.find('\n')) {
      const std::string line = text.substr(0, end);
      text.erase(0, end + 1);
      std::cout << "tail: " << line << std::endl;
      if (line == "end") call->Cancel();
    }
    call->Continue();
  };
  events.event = [&](const auto&) { call->Continue(); };
  events.finished = [&](const absl::Status& end) {
    status = end;
    done.Notify();
  };
  call = specula::TailCall::Create(channel, request, {}, std::move(events));
  call->Start();
  done.WaitForNotification();
  return absl::IsCancelled(status) ? absl::OkStatus() : status;
}

absl::Status Run(const std::string& address, const std::string& name,
                 const std::string& path) {
  // First of all: TLS 1.3 only, for the whole process.
  if (absl::Status status = specula::EnforceTlsPolicy(); !status.ok())
    return status;
  absl::StatusOr<specula::Credentials> credentials = specula::LoadCredentials(
      {Setting("SPECULA_CA"), Setting("SPECULA_CERT"), Setting("SPECULA_KEY")});
  if (!credentials.ok()) return credentials.status();
  absl::StatusOr<specula::HostPort> host_port =
      specula::ParseHostPort(address, specula::kAgentPort);
  if (!host_port.ok()) return host_port.status();
  const specula::Endpoint endpoint{*host_port, name};
  const auto channel = specula::MakeChannel(endpoint, *credentials);

  absl::Status status = ShowStatus(channel);
  if (status.ok()) status = Exec(channel, endpoint);
  if (status.ok()) status = CancelExec(channel);
  if (status.ok()) status = Tail(channel, path);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: consumer ADDRESS NAME FILE" << std::endl;
    return 2;
  }
  const absl::Status status = Run(argv[1], argv[2], argv[3]);
  if (!status.ok()) std::cerr << status << std::endl;
  return status.ok() ? 0 : 1;
}
