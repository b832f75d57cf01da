#include "tests/ctl/ui/scripted_fleet.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace specula::ctl {

absl::Time ScriptedNow() { return absl::FromUnixSeconds(1795617130); }

std::shared_ptr<const v1::WatchResponse> Snapshot(const ScriptedHost& host) {
  constexpr int64_t kGiB = int64_t{1} << 30;
  auto answer = std::make_shared<v1::WatchResponse>();
  v1::StatusResponse& status = *answer->mutable_status();
  status.mutable_host()->set_os("Debian GNU/Linux 12");
  status.mutable_host()->set_kernel("6.1.0-23-amd64");
  status.mutable_host()->set_boot_id(host.boot_id);
  status.mutable_host()->mutable_uptime()->set_seconds(41 * 86400);
  status.mutable_agent()->set_version("0.1.0");
  status.mutable_agent()->set_cpu_utilization(0.002);
  v1::Cpu& cpu = *status.mutable_cpu();
  cpu.set_utilization(host.cpu);
  cpu.set_logical_count(4);
  cpu.set_quality(v1::QUALITY_OK);
  cpu.mutable_window()->set_seconds(2);
  cpu.mutable_times()->set_user(host.cpu * 0.75);
  cpu.mutable_times()->set_system(host.cpu * 0.25);
  cpu.mutable_times()->set_idle(1 - host.cpu);
  v1::Memory& memory = *status.mutable_memory();
  memory.set_total_bytes(8 * kGiB);
  memory.set_used_bytes(
      static_cast<int64_t>(host.memory * static_cast<double>(8 * kGiB)));
  memory.set_available_bytes(8 * kGiB - memory.used_bytes());
  memory.set_utilization(host.memory);
  memory.set_swap_total_bytes(2 * kGiB);
  memory.set_quality(v1::QUALITY_OK);
  status.mutable_load()->set_one_minute(host.cpu * 8);
  status.mutable_load()->set_runnable_count(3);
  status.mutable_load()->set_task_count(311);
  v1::Filesystem& disk = *status.mutable_disk()->add_filesystems();
  disk.set_mount_point("/var");
  disk.set_type("ext4");
  disk.set_total_bytes(39 * kGiB);
  disk.set_used_bytes(
      static_cast<int64_t>(host.disk * static_cast<double>(39 * kGiB)));
  disk.set_utilization(host.disk);
  disk.set_inodes_total_count(1000);
  disk.set_inodes_used_count(30);
  disk.set_quality(v1::QUALITY_OK);
  status.mutable_disk()->set_excluded_mount_count(9);
  v1::Network& network = *status.mutable_network();
  network.set_received_bytes_per_second(8.2 * 1024 * 1024);
  network.set_transmitted_bytes_per_second(1.1 * 1024 * 1024);
  v1::NetworkInterface& interface = *network.add_interfaces();
  interface.set_name("ens3");
  interface.set_received_bytes_per_second(8.2 * 1024 * 1024);
  interface.set_transmitted_bytes_per_second(1.1 * 1024 * 1024);
  interface.set_quality(v1::QUALITY_OK);
  for (int i = 0; i < host.processes; ++i) {
    v1::Process& process = *answer->mutable_processes()->add_processes();
    process.set_pid(4121 + i);
    process.set_start_ticks(1000 + i);
    process.set_user("app");
    process.set_state("R");
    process.set_thread_count(88);
    process.set_resident_bytes(kGiB / (i + 1));
    process.set_cpu_utilization(1.88 / (i + 1));
    process.mutable_cpu_time()->set_seconds(11564);
    process.set_name("sleep");
    process.set_command_line(host.command);
  }
  if (host.processes > 0) answer->mutable_processes()->set_total_count(311);
  return answer;
}

FleetEvent Heard(size_t host, absl::Time time, const ScriptedHost& snapshot) {
  return {time, host, Snapshot(snapshot), {}};
}

FleetEvent Gone(size_t host, absl::Time time, Outcome outcome,
                std::string reason) {
  return {time, host, nullptr, {outcome, std::move(reason)}};
}

TopState Table(const std::vector<std::string>& names,
               const TopState::Options& options) {
  std::vector<FleetHost> hosts;
  for (size_t i = 0; i < names.size(); ++i) {
    hosts.push_back({names[i],
                     absl::StrCat("10.0.0.", i + 1, ":60120"),
                     {{"rack", i % 2 == 0 ? "a" : "b"}}});
  }
  return TopState(std::move(hosts), options);
}

TopState ScriptedFleet(const TopState::Options& options) {
  const absl::Time now = ScriptedNow();
  TopState state =
      Table({"api-01", "db-01", "db-02", "web-01", "web-02", "ci-7", "edge-fra",
             "gpu-02", "mail", "na\033[2Js", "edge-gru", "new-1"},
            options);
  const ScriptedHost hosts[] = {
      {0.941, 0.712, 0.44, 12, "java -jar\033]0;owned\007 \377api.jar"},
      {0.617, 0.973, 0.91},
      {0.402, 0.640, 0.58},
      {0.228, 0.385, 0.31},
      {0.210, 0.379, 0.31},
      {0.184, 0.220, 0.73},
      {0.099, 0.416, 0.12},
      {0.073, 0.301, 0.66},
      {0.012, 0.550, 0.80},
      {0.009, 0.123, 0.79},
      {0.030, 0.410, 0.20}};
  Feed::News news;
  for (int step = 12; step >= 0; --step) {
    for (size_t host = 0; host < std::size(hosts); ++host) {
      ScriptedHost then = hosts[host];
      // A slope in the trend; the last two are as above.
      if (step > 1) then.cpu *= 1 - 0.05 * step;
      // edge-fra has been silent for a while, edge-gru is down.
      if ((host == 6 && step < 12) || (host == 10 && step < 12)) continue;
      news.events.push_back(
          Heard(host, now - absl::Seconds(1) - step * absl::Seconds(2), then));
    }
  }
  news.events.push_back(Gone(10, now - absl::Minutes(12), Outcome::kUnreachable,
                             "connection refused"));
  state.Take(std::move(news), now);
  state.SortBy(ColumnId::kCpu, true, now);
  state.PutCursor(0);
  return state;
}

}  // namespace specula::ctl
