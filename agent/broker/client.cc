#include "agent/broker/client.h"

#include <sys/socket.h>

#include <optional>
#include <utility>

#include "agent/broker/message.h"

namespace specula::agent {
namespace {

// How many messages are taken in one call, so that others on the loop have
// their turn.
constexpr int kMaxPerCall = 64;

// An answer that has not what it must have.
absl::Status Odd() {
  return absl::InternalError("the broker's answer has not what was asked for");
}

// Of what is answered by a status alone.
auto Plain(BrokerClient::Done done) {
  return [done = std::move(done)](const absl::Status& status,
                                  const broker::Answer&, const auto&) {
    if (done) done(status);
  };
}

}  // namespace

BrokerClient::BrokerClient(UniqueFd channel,
                           std::function<void(absl::Status)> lost)
    : channel_(std::move(channel)), lost_(std::move(lost)) {}

void BrokerClient::OnReadable() {
  for (int i = 0; i < kMaxPerCall && !is_lost_; ++i) {
    auto packet = channel_.Receive();
    if (!packet.ok()) return Lose(packet.status());
    if (!packet->has_value()) return;
    OnPacket(**std::move(packet));
  }
}

void BrokerClient::OnWritable() {
  // A broken channel is readable too, and told from there.
  static_cast<void>(channel_.Flush());
}

void BrokerClient::OnPacket(Packet packet) {
  auto answer = ParseAnswer(packet.bytes);
  if (!answer.ok()) return Lose(answer.status());
  if (answer->id() == 0) return OnEvent(*answer);
  auto waiting = waiting_.extract(answer->id());
  if (waiting.empty()) return Lose(Odd());
  const absl::Status status = StatusOf(*answer);
  waiting.mapped()(status, *std::move(answer), std::move(packet.fds));
}

void BrokerClient::OnEvent(const broker::Answer& event) {
  if (event.has_exited()) {
    const auto job = jobs_.find(event.exited().job());
    if (job == jobs_.end() || !job->second.exited) return;
    // A copy, as the callback may change the map.
    const auto exited = job->second.exited;
    exited(event.exited());
    return;
  }
  const auto job = jobs_.extract(event.gone().job());
  if (!job.empty() && job.mapped().gone) job.mapped().gone(event.gone());
}

void BrokerClient::Lose(absl::Status why) {
  if (is_lost_) return;
  is_lost_ = true;
  while (!waiting_.empty()) {
    const auto waiting = waiting_.extract(waiting_.begin());
    waiting.mapped()(absl::UnavailableError("the broker is gone"), {}, {});
  }
  while (!jobs_.empty()) {
    const auto job = jobs_.extract(jobs_.begin());
    if (job.mapped().lost) job.mapped().lost();
  }
  if (lost_) lost_(std::move(why));
}

void BrokerClient::Ask(broker::Request request, std::vector<UniqueFd> fds,
                       Handler handler) {
  if (is_lost_)
    return handler(absl::UnavailableError("the broker is gone"), {}, {});
  request.set_id(next_id_++);
  // Without a round trip; the broker would say the same.
  if (absl::Status status = CheckRequest(request); !status.ok())
    return handler(status, {}, {});
  const absl::Status sent =
      channel_.Send({request.SerializeAsString(), std::move(fds)});
  if (absl::IsInvalidArgument(sent)) return handler(sent, {}, {});
  waiting_.emplace(request.id(), std::move(handler));
  // The end of the stream is then read, and told from there.
  if (!sent.ok()) shutdown(channel_.fd(), SHUT_RDWR);
}

void BrokerClient::Spawn(const broker::Spawn& command, absl::string_view input,
                         Answered<Spawned> done, JobEvents events) {
  broker::Request request;
  *request.mutable_spawn() = command;
  std::vector<UniqueFd> fds;
  if (!input.empty()) {
    auto memfd = SealedMemfd("specula-stdin", input);
    if (!memfd.ok()) return done(memfd.status());
    fds.push_back(*std::move(memfd));
  }
  const bool start = command.start();
  const size_t pipes = start ? 0 : command.merge_stderr() ? 1 : 2;
  Ask(std::move(request), std::move(fds),
      [this, pipes, done = std::move(done), events = std::move(events)](
          absl::Status status, broker::Answer answer,
          std::vector<UniqueFd> fds) {
        if (!status.ok()) return done(status);
        if (!answer.has_spawned() || fds.size() != pipes) return done(Odd());
        Spawned spawned{answer.spawned(), {}, {}};
        if (pipes > 0) spawned.out = std::move(fds[0]);
        if (pipes > 1) spawned.error = std::move(fds[1]);
        if (!spawned.facts.repeated_start())
          jobs_[spawned.facts.job()] = events;
        done(std::move(spawned));
      });
}

void BrokerClient::EndTree(const broker::EndTree& order, Done done) {
  broker::Request request;
  *request.mutable_end_tree() = order;
  Ask(std::move(request), {}, Plain(std::move(done)));
}

void BrokerClient::Finish(uint64_t job, Done done) {
  broker::Request request;
  request.mutable_finish()->set_job(job);
  Ask(std::move(request), {}, Plain(std::move(done)));
}

void BrokerClient::Signal(uint64_t job, int signal, Done done) {
  broker::Request request;
  request.mutable_signal()->set_job(job);
  request.mutable_signal()->set_signal(signal);
  Ask(std::move(request), {}, Plain(std::move(done)));
}

void BrokerClient::Kill(const broker::Kill& order, Answered<int> done) {
  broker::Request request;
  *request.mutable_kill() = order;
  Ask(std::move(request), {},
      [done = std::move(done)](absl::Status status, broker::Answer answer,
                               auto) {
        if (!status.ok()) return done(status);
        if (!answer.has_killed()) return done(Odd());
        done(answer.killed().signalled_count());
      });
}

void BrokerClient::Open(absl::string_view path,
                        Answered<std::pair<UniqueFd, broker::Opened>> done) {
  broker::Request request;
  request.mutable_open()->set_path(std::string(path));
  Ask(std::move(request), {},
      [done = std::move(done)](absl::Status status, broker::Answer answer,
                               std::vector<UniqueFd> fds) {
        if (!status.ok()) return done(status);
        if (!answer.has_opened() || fds.size() != 1) return done(Odd());
        done(std::make_pair(std::move(fds[0]), answer.opened()));
      });
}

void BrokerClient::ListStarted(Answered<broker::StartedJobs> done) {
  broker::Request request;
  request.mutable_list_started();
  Ask(std::move(request), {},
      [done = std::move(done)](absl::Status status, broker::Answer answer,
                               auto) {
        if (!status.ok()) return done(status);
        if (!answer.has_started()) return done(Odd());
        done(std::move(*answer.mutable_started()));
      });
}

void BrokerClient::Describe(Answered<broker::Description> done) {
  broker::Request request;
  request.mutable_describe();
  Ask(std::move(request), {},
      [done = std::move(done)](absl::Status status, broker::Answer answer,
                               auto) {
        if (!status.ok()) return done(status);
        if (!answer.has_description()) return done(Odd());
        done(std::move(*answer.mutable_description()));
      });
}

void BrokerClient::SayServing(Done done) {
  broker::Request request;
  request.mutable_serving();
  Ask(std::move(request), {}, Plain(std::move(done)));
}

}  // namespace specula::agent
