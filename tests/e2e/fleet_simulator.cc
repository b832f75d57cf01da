#include "tests/e2e/fleet_simulator.h"

#include <arpa/inet.h>
#include <grpcpp/alarm.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <cmath>
#include <deque>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "lib/base/unique_fd.h"
#include "tests/e2e/fake_agent.h"

namespace specula::testing {
namespace {

void RaiseOpenFiles() {
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

v1::StatusResponse SomeStatus() {
  v1::StatusResponse status;
  status.mutable_host()->set_hostname("simulated");
  status.mutable_host()->mutable_uptime()->set_seconds(3600);
  status.mutable_cpu()->set_utilization(0.25);
  status.mutable_memory()->set_total_bytes(int64_t{8} << 30);
  status.mutable_memory()->set_used_bytes(int64_t{2} << 30);
  status.mutable_memory()->set_utilization(0.25);
  status.mutable_disk()->set_total_bytes(int64_t{100} << 30);
  status.mutable_disk()->set_used_bytes(int64_t{40} << 30);
  status.mutable_load()->set_one_minute(0.5);
  return status;
}

// Writes what it was given and ends, or hangs until it is cancelled.
class ScriptedExec final : public grpc::ServerWriteReactor<v1::ExecResponse> {
 public:
  struct Script {
    std::deque<v1::ExecResponse> messages;
    bool hang = false;            // after the last message
    std::function<void()> after;  // after the last message
    // This again and again, before the last message, which follows once so many
    // bytes were sent or the time has come.
    v1::ExecResponse flood;
    int64_t flood_bytes = INT64_MAX;
    absl::Time flood_end = absl::InfiniteFuture();
  };

  explicit ScriptedExec(Script script) : script_(std::move(script)) {
    if (script_.messages.empty() && script_.hang) {
      StartSendInitialMetadata();
    } else {
      Next();
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(grpc::Status::CANCELLED);
    if (std::exchange(flooded_, false)) {
      script_.flood_bytes -=
          static_cast<int64_t>(script_.flood.stdout().size());
    } else {
      script_.messages.pop_front();
    }
    Next();
  }
  void OnCancel() override {
    // A flood has always a write in flight, which tells of it.
    if (!floods()) End(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  bool floods() const { return !script_.flood.stdout().empty(); }

  void Next() {
    if (floods() && script_.messages.size() == 1 && script_.flood_bytes > 0 &&
        absl::Now() < script_.flood_end) {
      flooded_ = true;
      StartWrite(&script_.flood);
    } else if (!script_.messages.empty()) {
      StartWrite(&script_.messages.front());
    } else {
      if (script_.after) script_.after();
      if (!script_.hang) End(grpc::Status::OK);
    }
  }
  void End(const grpc::Status& status) {
    if (!ended_.exchange(true)) Finish(status);
  }

  Script script_;
  bool flooded_ = false;  // the write in flight is of the flood
  std::atomic<bool> ended_{false};
};

// Writes one snapshot after the other. Counts who may still call it: gRPC until
// OnDone, and its alarm.
class ScriptedWatch final : public grpc::ServerWriteReactor<v1::WatchResponse> {
 public:
  struct Script {
    std::function<v1::WatchResponse(int64_t sequence)> snapshot;
    absl::Duration interval;  // 0: the next one as soon as there is room
    int64_t last = INT64_MAX;
    std::function<void()> after;  // the last; null: ends well
  };

  explicit ScriptedWatch(Script script) : script_(std::move(script)) {
    std::lock_guard<std::mutex> lock(mutex_);
    WriteLocked();
  }

  void OnWriteDone(bool ok) override {
    std::function<void()> after;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      writing_ = false;
      if (!ok || cancelled_) return EndLocked(grpc::Status::CANCELLED);
      if (sequence_ >= script_.last) {
        if (script_.after == nullptr) return EndLocked(grpc::Status::OK);
        after = script_.after;
      } else if (script_.interval <= absl::ZeroDuration()) {
        return WriteLocked();
      } else {
        ++references_;
        alarm_ = std::make_unique<grpc::Alarm>();
        alarm_->Set(absl::ToChronoTime(absl::Now() + script_.interval),
                    [this](bool) { OnAlarm(); });
      }
    }
    if (after != nullptr) after();
  }
  void OnCancel() override {
    std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    if (alarm_ != nullptr) alarm_->Cancel();
    if (!writing_) EndLocked(grpc::Status::CANCELLED);
  }
  void OnDone() override { Release(); }

 private:
  void OnAlarm() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!cancelled_ && !ended_) WriteLocked();
    }
    Release();
  }
  void WriteLocked() {
    message_ = script_.snapshot(++sequence_);
    writing_ = true;
    StartWrite(&message_);
  }
  void EndLocked(const grpc::Status& status) {
    if (!std::exchange(ended_, true)) Finish(status);
  }
  void Release() {
    if (--references_ == 0) delete this;
  }

  const Script script_;
  std::atomic<int> references_{1};
  std::mutex mutex_;
  std::unique_ptr<grpc::Alarm> alarm_;
  v1::WatchResponse message_;
  int64_t sequence_ = 0;
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;
};

// What a server of the usual kind has to tell: as much text and as many parts.
void AddDetails(v1::StatusResponse& status) {
  v1::Host& host = *status.mutable_host();
  host.set_os("Debian GNU/Linux 12 (bookworm)");
  host.set_kernel("6.1.0-23-amd64");
  host.set_architecture("x86_64");
  host.set_cpu_model("AMD EPYC 7763 64-Core Processor");
  v1::CpuTimes& times = *status.mutable_cpu()->mutable_times();
  times.set_user(0.2);
  times.set_system(0.05);
  times.set_idle(0.75);
  for (int i = 0; i < 4; ++i) {
    status.mutable_cpu()->add_cores()->set_utilization(0.25);
  }
  const char* const mounts[] = {"/", "/var", "/srv/data"};
  for (int i = 0; i < 3; ++i) {
    v1::Filesystem& one = *status.mutable_disk()->add_filesystems();
    one.set_device(absl::StrCat("/dev/vda", i + 1));
    one.set_mount_point(mounts[i]);
    one.set_type("ext4");
    one.set_total_bytes(int64_t{40} << 30);
    one.set_used_bytes(int64_t{4 * (i + 1)} << 30);
    one.set_utilization(0.1 * (i + 1));
    one.set_quality(v1::QUALITY_OK);
    v1::BlockDevice& device = *status.mutable_disk()->add_devices();
    device.set_name(absl::StrCat("vd", std::string(1, char('a' + i))));
    device.set_read_bytes_per_second(12'000);
    device.set_written_bytes_per_second(340'000);
    device.set_quality(v1::QUALITY_OK);
    v1::NetworkInterface& interface =
        *status.mutable_network()->add_interfaces();
    interface.set_name(absl::StrCat("ens", i + 3));
    interface.set_received_bytes_per_second(100'000);
    interface.set_quality(v1::QUALITY_OK);
  }
  status.mutable_network()->set_received_bytes_per_second(300'000);
  status.mutable_network()->set_transmitted_bytes_per_second(500'000);
  for (v1::Pressure* pressure :
       {status.mutable_cpu_pressure(), status.mutable_memory_pressure(),
        status.mutable_io_pressure()}) {
    pressure->mutable_some()->set_ten_seconds(0.02);
    pressure->mutable_full()->set_ten_seconds(0.01);
  }
}

// Clears, titles, moves, reports back, and two that are not UTF-8's C0.
constexpr char kSpells[] =
    "\x1b[2J\x1b]0;owned\x07\x1b[31m\x1b[1;1Hbabble\r\n\x1b[6n\xc2\x9b"
    "2J\x1b[?1049l";

void Babble(int64_t sequence, v1::StatusResponse& status) {
  const double odd[] = {std::numeric_limits<double>::quiet_NaN(),
                        std::numeric_limits<double>::infinity(),
                        -std::numeric_limits<double>::infinity(),
                        -0.5,
                        1e300,
                        5.0};
  size_t next = static_cast<size_t>(sequence);
  auto number = [&] { return odd[next++ % std::size(odd)]; };
  std::string text;
  while (text.size() < 20'000) text += kSpells;
  v1::Host& host = *status.mutable_host();
  host.set_hostname(text);
  host.set_os(text);
  host.set_kernel(text);
  host.set_cpu_model(text);
  host.mutable_uptime()->set_seconds(INT64_MIN + sequence);
  v1::Cpu& cpu = *status.mutable_cpu();
  cpu.set_utilization(number());
  cpu.set_logical_count(-7);
  cpu.mutable_times()->set_user(number());
  cpu.mutable_times()->set_system(number());
  cpu.mutable_times()->set_iowait(number());
  cpu.mutable_times()->set_steal(number());
  for (v1::CpuCore& core : *cpu.mutable_cores()) {
    core.set_utilization(number());
  }
  v1::Memory& memory = *status.mutable_memory();
  memory.set_utilization(number());
  memory.set_total_bytes(-1);
  memory.set_used_bytes(INT64_MAX);
  memory.set_swap_total_bytes(1);
  memory.set_swap_used_bytes(INT64_MIN);
  status.mutable_load()->set_one_minute(number());
  for (v1::Filesystem& one : *status.mutable_disk()->mutable_filesystems()) {
    one.set_mount_point(text);
    one.set_type(text);
    one.set_utilization(number());
    one.set_total_bytes(INT64_MIN);
    one.set_inodes_total_count(-1);
  }
  for (v1::BlockDevice& one : *status.mutable_disk()->mutable_devices()) {
    one.set_name(text);
    one.set_read_bytes_per_second(number());
    one.set_written_bytes_per_second(number());
    one.set_utilization(number());
  }
  for (v1::NetworkInterface& one :
       *status.mutable_network()->mutable_interfaces()) {
    one.set_name(text);
    one.set_received_bytes_per_second(number());
  }
  status.mutable_network()->set_received_bytes_per_second(number());
  status.mutable_network()->set_transmitted_bytes_per_second(number());
  status.mutable_cpu_pressure()->mutable_some()->set_ten_seconds(number());
  v1::Temperature& temperature = *status.add_temperatures();
  temperature.set_sensor(text);
  temperature.set_celsius(number());
}

void AddProcesses(Health health, int count, v1::ProcessesResponse& processes) {
  const bool babbles = health == Health::kBabbles;
  for (int i = 0; i < count; ++i) {
    v1::Process& one = *processes.add_processes();
    one.set_pid(babbles ? -i : 100 + i);
    one.set_start_ticks(1000 + i);
    one.set_user(babbles ? kSpells : "app");
    one.set_state(babbles ? kSpells : "S");
    one.set_cpu_utilization(babbles ? -1e300 : 1.0 / (i + 1));
    one.set_resident_bytes(babbles ? INT64_MIN : int64_t{1} << 20);
    one.mutable_cpu_time()->set_seconds(babbles ? INT64_MAX : 60);
    one.set_name(babbles ? kSpells : absl::StrCat("worker", i));
    one.set_command_line(babbles ? kSpells : absl::StrCat("worker", i, " -v"));
  }
  processes.set_total_count(babbles ? -1 : 300);
}

std::string FloodOfText() {
  std::string text;
  while (text.size() < (32 << 10)) {
    absl::StrAppend(&text, "\x1b[2J\x1b]0;owned\x07\x1b[31mflood\r\n");
  }
  return text;
}

// A flood that keeps to the command's limits, as an agent does.
void Flood(const v1::Command& command, ScriptedExec::Script& script) {
  script.flood.set_stdout(FloodOfText());
  v1::ExecExited exited;
  exited.set_drained(true);
  if (command.output_limit_bytes() > 0) {
    script.flood_bytes = command.output_limit_bytes();
    exited.set_code(0);
    exited.set_truncated(true);
  } else {
    if (command.has_timeout()) {
      script.flood_end = absl::Now() +
                         absl::Seconds(command.timeout().seconds()) +
                         absl::Nanoseconds(command.timeout().nanos());
    }
    exited.set_signal(SIGTERM);
    exited.set_timed_out(true);
  }
  *script.messages.emplace_back().mutable_exited() = exited;
}

}  // namespace

v1::WatchResponse SimulatedSnapshot(Health health, size_t host,
                                    int64_t sequence) {
  v1::WatchResponse snapshot;
  snapshot.set_sequence(sequence);
  v1::StatusResponse& status = *snapshot.mutable_status();
  status = SomeStatus();
  AddDetails(status);
  status.mutable_host()->set_hostname(absl::StrCat("simulated", host + 1));
  status.mutable_host()->set_boot_id("boot1");
  status.mutable_host()->mutable_uptime()->set_seconds(3600 + sequence);
  status.mutable_cpu()->set_logical_count(4);
  const bool first = sequence == 1;
  v1::Quality quality = first ? v1::QUALITY_FIRST : v1::QUALITY_OK;
  if (health == Health::kResetsCounters && sequence % 2 == 0) {
    quality = v1::QUALITY_RESET;
    status.mutable_host()->set_boot_id(absl::StrCat("boot", sequence));
    status.mutable_host()->mutable_uptime()->set_seconds(0);
  }
  status.mutable_cpu()->set_quality(quality);
  status.mutable_memory()->set_quality(v1::QUALITY_OK);
  status.mutable_disk()->set_quality(v1::QUALITY_OK);
  status.mutable_network()->set_quality(quality);
  if (quality != v1::QUALITY_OK) status.mutable_cpu()->clear_utilization();
  if (health == Health::kBabbles) Babble(sequence, status);
  return snapshot;
}

v1::WatchResponse TimedSnapshot(Health health, size_t host, int64_t sequence) {
  v1::WatchResponse snapshot = SimulatedSnapshot(health, host, sequence);
  if (health == Health::kBabbles) return snapshot;
  const int64_t tenths = absl::ToUnixMillis(absl::Now()) / 100;
  snapshot.mutable_status()->mutable_memory()->set_utilization(
      static_cast<double>(tenths % 1000) / 1000);
  return snapshot;
}

absl::Duration AgeOfTimed(double percent, absl::Time now) {
  const int64_t made = std::llround(percent * 10);
  const int64_t tenths = absl::ToUnixMillis(now) / 100;
  return absl::Milliseconds(100 * ((tenths - made) % 1000 + 1000) % 100'000);
}

std::optional<Health> HealthNamed(const std::string& name) {
  static const std::map<std::string, Health> kNames = {
      {"well", Health::kWell},
      {"hangs-in-connect", Health::kHangsInConnect},
      {"hangs-in-tls", Health::kHangsInTls},
      {"hangs-after-headers", Health::kHangsAfterHeaders},
      {"dies-in-mid-stream", Health::kDiesInMidStream},
      {"resets", Health::kResets},
      {"lies", Health::kLies},
      {"resets-counters", Health::kResetsCounters},
      {"flaps", Health::kFlaps},
      {"floods", Health::kFloods},
      {"never-ends", Health::kNeverEnds},
      {"babbles", Health::kBabbles}};
  const auto found = kNames.find(name);
  if (found == kNames.end()) return std::nullopt;
  return found->second;
}

// One server for all who speak gRPC; by the port that was dialled it knows who
// it is meant to be.
class FleetSimulator::Service final : public v1::Specula::CallbackService {
 public:
  struct Agent {
    Health health = Health::kWell;
    Cable* cable = nullptr;
    size_t place = 0;
  };
  // All before the first call.
  std::map<std::string, Agent, std::less<>> agents;
  Snapshot snapshot;

 private:
  Agent AgentOf(const grpc::CallbackServerContext& context) const {
    const grpc::string_ref authority = context.ExperimentalGetAuthority();
    auto found =
        agents.find(absl::string_view(authority.data(), authority.size()));
    return found == agents.end() ? Agent() : found->second;
  }

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::StatusRequest*,
                                   v1::StatusResponse* response) override {
    *response = SomeStatus();
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<v1::ExecResponse>* Exec(
      grpc::CallbackServerContext* context,
      const v1::ExecRequest* request) override {
    const Agent agent = AgentOf(*context);
    ScriptedExec::Script script;
    if (agent.health == Health::kHangsAfterHeaders) {
      script.hang = true;
      return new ScriptedExec(std::move(script));
    }
    v1::ExecResponse message;
    message.mutable_started()->set_pid(4242);
    script.messages.push_back(message);
    if (agent.health == Health::kFloods) {
      Flood(request->command(), script);
      return new ScriptedExec(std::move(script));
    }
    if (agent.health == Health::kNeverEnds) {
      script.hang = true;
      return new ScriptedExec(std::move(script));
    }
    message.set_stdout("hello\n");
    script.messages.push_back(message);
    if (agent.health == Health::kDiesInMidStream) {
      script.hang = true;
      script.after = [cable = agent.cable] { cable->Cut(); };
    } else if (agent.health != Health::kLies) {
      message.mutable_exited()->set_code(0);
      message.mutable_exited()->set_drained(true);
      script.messages.push_back(message);
    }
    return new ScriptedExec(std::move(script));
  }

  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(
      grpc::CallbackServerContext* context,
      const v1::WatchRequest* request) override {
    const Agent agent = AgentOf(*context);
    ScriptedWatch::Script script;
    script.snapshot = [agent, snapshot = snapshot,
                       processes = request->process_limit()](int64_t sequence) {
      v1::WatchResponse made =
          snapshot != nullptr
              ? snapshot(agent.place, sequence)
              : SimulatedSnapshot(agent.health, agent.place, sequence);
      if (processes > 0 && !made.has_processes()) {
        AddProcesses(agent.health, processes, *made.mutable_processes());
      }
      return made;
    };
    script.interval = absl::Seconds(request->interval().seconds()) +
                      absl::Nanoseconds(request->interval().nanos());
    if (!request->has_interval()) script.interval = absl::Seconds(2);
    switch (agent.health) {
      case Health::kHangsAfterHeaders: {
        // As a command that has no word to say.
        class Silent final
            : public grpc::ServerWriteReactor<v1::WatchResponse> {
         public:
          Silent() { StartSendInitialMetadata(); }
          void OnCancel() override { Finish(grpc::Status::CANCELLED); }
          void OnDone() override { delete this; }
        };
        return new Silent;
      }
      case Health::kDiesInMidStream:
      case Health::kFlaps:
        script.last = agent.health == Health::kFlaps ? 3 : 2;
        script.after = [cable = agent.cable] { cable->Cut(); };
        break;
      case Health::kLies:
        script.last = 2;
        break;
      case Health::kFloods:
        script.interval = absl::ZeroDuration();
        break;
      default:
        break;
    }
    return new ScriptedWatch(std::move(script));
  }
};

// A port behind which there is no gRPC.
class FleetSimulator::Trap {
 public:
  explicit Trap(Health health) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    const int backlog = health == Health::kHangsInConnect ? 0 : 64;
    if (bind(listener_.get(), raw, length) != 0 ||
        listen(listener_.get(), backlog) != 0 ||
        getsockname(listener_.get(), raw, &length) != 0) {
      abort();
    }
    port_ = ntohs(address.sin_port);
    if (health == Health::kHangsInConnect) {
      // With its queue full the kernel answers no further SYN.
      for (int i = 0; i < 3; ++i) {
        fillers_.emplace_back(
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        [[maybe_unused]] int begun =
            connect(fillers_.back().get(), raw, length);
      }
    }
    if (health == Health::kResets) thread_ = std::thread([this] { Reset(); });
  }
  ~Trap() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint16_t port() const { return port_; }

 private:
  void Reset() {
    while (!stop_) {
      pollfd ready = {listener_.get(), POLLIN, 0};
      if (poll(&ready, 1, 20) <= 0) continue;
      const UniqueFd peer(
          accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const linger at_once = {1, 0};
      setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
  }

  const UniqueFd listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::vector<UniqueFd> fillers_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

FleetSimulator::FleetSimulator(const Pki& pki, const std::vector<Health>& fleet,
                               Snapshot snapshot)
    : service_(std::make_unique<Service>()) {
  service_->snapshot = std::move(snapshot);
  RaiseOpenFiles();
  const std::shared_ptr<grpc::ServerCredentials> credentials =
      AgentCredentials(pki);
  auto is_trap = [](Health health) {
    return health == Health::kHangsInConnect || health == Health::kHangsInTls ||
           health == Health::kResets;
  };
  grpc::ServerBuilder builder;
  std::vector<int> ports(fleet.size());
  for (size_t i = 0; i < fleet.size(); ++i) {
    if (is_trap(fleet[i])) continue;
    builder.AddListeningPort("127.0.0.1:0", credentials, &ports[i]);
  }
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  for (size_t i = 0; i < fleet.size(); ++i) {
    Cable* cable = nullptr;
    if (is_trap(fleet[i])) {
      traps_.push_back(std::make_unique<Trap>(fleet[i]));
      ports[i] = traps_.back()->port();
    } else if (fleet[i] == Health::kDiesInMidStream ||
               fleet[i] == Health::kFlaps) {
      cables_.push_back(std::make_unique<Cable>(
          Endpoint{{"127.0.0.1", static_cast<uint16_t>(ports[i])}, ""},
          fleet[i] == Health::kFlaps));
      cable = cables_.back().get();
      ports[i] = cable->endpoint().address.port;
    }
    hosts_.push_back(absl::StrCat("127.0.0.1:", ports[i]));
    service_->agents[hosts_.back()] = {fleet[i], cable, i};
  }
}

FleetSimulator::~FleetSimulator() {
  cables_.clear();
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

std::string FleetSimulator::expression() const {
  return absl::StrJoin(hosts_, ",");
}

}  // namespace specula::testing
