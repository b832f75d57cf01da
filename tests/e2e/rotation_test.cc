// Certificates in mounted secrets as Kubernetes exchanges them, under calls: no
// call may fail, neither at the agent nor through the shim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/shim_harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A directory as the kubelet keeps it: NAME -> ..data/NAME, ..data ->
// ..VERSION, and a new version takes the place of the old one by one rename.
class MountedSecret {
 public:
  explicit MountedSecret(std::string path) : path_(std::move(path)) {
    EXPECT_EQ(mkdir(path_.c_str(), 0700), 0);
  }

  std::string File(const std::string& name) const {
    return absl::StrCat(path_, "/", name);
  }

  void Deliver(const std::map<std::string, std::string>& files) {
    const std::string old = version_;
    version_ = absl::StrCat("..2026_11_25.", ++count_);
    const std::string directory = File(version_);
    ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
    for (const auto& [name, content] : files) {
      ASSERT_TRUE(WriteFileAtomically(absl::StrCat(directory, "/", name),
                                      content, 0400, /*replace=*/false)
                      .ok());
    }
    ASSERT_EQ(symlink(version_.c_str(), File("..data_tmp").c_str()), 0);
    ASSERT_EQ(rename(File("..data_tmp").c_str(), File("..data").c_str()), 0);
    for (const auto& [name, content] : files) {
      if (old.empty()) {
        ASSERT_EQ(
            symlink(absl::StrCat("..data/", name).c_str(), File(name).c_str()),
            0);
      }
    }
    if (!old.empty()) std::filesystem::remove_all(File(old));
  }

 private:
  const std::string path_;
  std::string version_;
  int count_ = 0;
};

// What a certificate's holder has: of one authority, trusting one or two.
std::map<std::string, std::string> Holding(const Pki& issuer,
                                           const std::string& name,
                                           const std::string& roots) {
  const Credentials credentials = issuer.Load(name);
  return {{"ca.crt", roots},
          {"tls.crt", credentials.certificate_pem},
          {"tls.key", credentials.key_pem}};
}

std::vector<std::string> Flags(const MountedSecret& secret) {
  return {"--ca",
          secret.File("ca.crt"),
          "--cert",
          secret.File("tls.crt"),
          "--key",
          secret.File("tls.key"),
          "--reload-interval",
          "0.01"};
}

class RotationTest : public ::testing::Test {
 protected:
  RotationTest() {
    for (const Pki* pki : {&old_, &next_}) Reissue(*pki);
    at_agent_.Deliver(Holding(old_, "localhost", roots_of_old_));
    at_shim_.Deliver(Holding(old_, "console", roots_of_old_));
  }

  // New certificates, of one authority, to both programs.
  static void Reissue(const Pki& issuer) {
    ctl::IssueOptions force;
    force.force = true;
    EXPECT_TRUE(
        ctl::IssueAgent(issuer.path(), "localhost", {"127.0.0.1"}, force).ok());
    EXPECT_TRUE(ctl::IssueShim(issuer.path(), "console", force).ok());
  }
  void Rotate(const Pki& issuer, const std::string& roots) {
    Reissue(issuer);
    at_agent_.Deliver(Holding(issuer, "localhost", roots));
    at_shim_.Deliver(Holding(issuer, "console", roots));
  }
  void RotateTimes(int count, const Pki& issuer, const std::string& roots) {
    for (int i = 0; i < count; ++i) {
      Rotate(issuer, roots);
      absl::SleepFor(absl::Milliseconds(50));
    }
  }

  const Pki old_, next_;
  const std::string roots_of_old_ = old_.Load("viewer").roots_pem;
  const std::string roots_of_next_ = next_.Load("viewer").roots_pem;
  const TemporaryDirectory directory_;
  MountedSecret at_agent_{directory_.File("agent")};
  MountedSecret at_shim_{directory_.File("shim")};
};

// The callers, as often as it takes for 50 calls a second.
class Load {
 public:
  // `call` is made again and again by a thread of its own; "" is success.
  void Add(const std::string& name, std::function<std::string()> call) {
    threads_.emplace_back([this, name, call = std::move(call)] {
      while (!stop_) {
        const absl::Time next = absl::Now() + absl::Milliseconds(70);
        const std::string failure = call();
        ++calls_;
        if (!failure.empty()) {
          ++failures_;
          ADD_FAILURE() << name << ": " << failure;
        }
        absl::SleepFor(next - absl::Now());
      }
    });
  }
  // How many of how many failed.
  std::pair<int, int> Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return {failures_, calls_};
  }
  ~Load() { Stop(); }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> calls_ = 0, failures_ = 0;
  std::vector<std::thread> threads_;
};

TEST_F(RotationTest, TwoHundredMountedSecretsAndANewAuthorityFailNoCall) {
  AgentProcess agent(old_, {.arguments = Flags(at_agent_)});
  ShimProcess shim(old_, agent.host(), {.arguments = Flags(at_shim_)});
  absl::Mutex mutex;
  Credentials caller = old_.Load("viewer");
  const auto is_now = [&](const Pki& issuer, const std::string& roots) {
    absl::MutexLock lock(&mutex);
    caller = issuer.Load("viewer");
    caller.roots_pem = roots;
  };
  const auto credentials = [&] {
    absl::MutexLock lock(&mutex);
    return caller;
  };

  const auto call = [](const std::shared_ptr<grpc::Channel>& channel) {
    const absl::Status status = CallCpu(channel);
    return status.ok() ? "" : status.ToString();
  };
  const auto ask = [](LegacyClient& client, const std::string& request,
                      const std::string& expected) {
    const std::string reply = client.Ask(request);
    return absl::StartsWith(reply, expected) ? "" : request + ": " + reply;
  };
  // Of the first authority, and kept to the end.
  const auto of_old = agent.Connect(credentials());
  ASSERT_EQ(call(of_old), "");
  // One connection for each certificate that the caller has.
  std::string kept_certificate;
  std::shared_ptr<grpc::Channel> kept;
  LegacyClient kept_client(shim.port(), "secret");
  Load load;
  load.Add("agent, kept", [&] {
    const Credentials now = credentials();
    if (now.certificate_pem != kept_certificate) {
      kept_certificate = now.certificate_pem;
      kept = agent.Connect(now);
    }
    return call(kept);
  });
  load.Add("agent, fresh", [&] { return call(agent.Connect(credentials())); });
  load.Add("shim, kept", [&] { return ask(kept_client, "CPU", "CPU "); });
  load.Add("shim, fresh", [&] {
    LegacyClient client(shim.port(), "secret");
    return ask(client, "EXEC echo on", "OUT 1 on");
  });

  RotateTimes(50, old_, roots_of_old_);

  // A second authority: trusted by all, then used, then alone.
  const std::string both = roots_of_old_ + roots_of_next_;
  RotateTimes(50, old_, both);
  is_now(old_, both);
  Credentials of_next = next_.Load("viewer");
  of_next.roots_pem = both;
  EXPECT_TRUE(Eventually([&] { return CallCpu(agent.Connect(of_next)).ok(); }))
      << agent.Log();
  is_now(next_, both);
  RotateTimes(50, next_, both);
  // gRPC reads what the agent has taken every few seconds.
  EXPECT_TRUE(Eventually([&] {
    Credentials trusts_next = next_.Load("viewer");
    return CallCpu(agent.Connect(trusts_next)).ok();
  })) << agent.Log();
  is_now(next_, roots_of_next_);
  EXPECT_EQ(call(of_old), "");
  RotateTimes(50, next_, roots_of_next_);
  EXPECT_TRUE(Eventually([&] {
    return !CallCpu(agent.Connect(old_.Load("viewer"))).ok();
  })) << "the old authority is still trusted";
  EXPECT_NE(call(of_old), "") << "a connection of before is";

  const auto [failures, calls] = load.Stop();
  EXPECT_EQ(failures, 0) << "of " << calls << "; agent:\n"
                         << agent.Log() << "\nshim:\n"
                         << shim.Log();
  printf("%d calls\n", calls);
  EXPECT_GT(calls, 200);
  EXPECT_THAT(agent.Log(), HasSubstr("new TLS material is in use"));
  EXPECT_THAT(shim.Log(), HasSubstr("new TLS material is in use"));
  EXPECT_TRUE(agent.process().Running());
  EXPECT_TRUE(shim.process().Running());
}

TEST_F(RotationTest, ShimKeepsWhatServesAndTakesWhatIsWholeAgain) {
  AgentProcess agent(old_);
  MountedSecret secret(directory_.File("other"));
  secret.Deliver(Holding(old_, "console", roots_of_old_));
  ShimProcess shim(old_, agent.host(), {.arguments = Flags(secret)});
  LegacyClient client(shim.port(), "secret");
  EXPECT_THAT(client.Ask("CPU"), StartsWith("CPU "));
  auto broken = Holding(old_, "console", roots_of_old_);
  broken["tls.key"] = old_.Load("viewer").key_pem;
  secret.Deliver(broken);
  EXPECT_TRUE(Eventually([&] {
    return absl::StrContains(shim.Log(), "the old stays in use");
  })) << shim.Log();
  EXPECT_THAT(client.Ask("CPU"), StartsWith("CPU "));
  // Another's certificate, which is sound but not a shim's.
  secret.Deliver(Holding(old_, "viewer", roots_of_old_));
  EXPECT_TRUE(Eventually([&] {
    return absl::StrContains(shim.Log(), "has the role viewer, not shim");
  })) << shim.Log();
  EXPECT_THAT(client.Ask("CPU"), StartsWith("CPU "));
  Reissue(old_);
  secret.Deliver(Holding(old_, "console", roots_of_old_));
  EXPECT_TRUE(Eventually([&] {
    return absl::StrContains(shim.Log(), "new TLS material is in use");
  })) << shim.Log();
  EXPECT_THAT(client.Ask("CPU"), StartsWith("CPU "));
}

TEST_F(RotationTest, ShimShowsControllersItsNewCertificate) {
  AgentProcess agent(old_);
  IssueTlsCertificate(old_);
  const std::string certificate = old_.File("tls.crt");
  ShimProcess shim(
      old_, agent.host(),
      {.arguments = {"--tls", "--tls-cert", certificate, "--tls-key",
                     old_.File("tls.key"), "--reload-interval", "0.05"}});
  const auto serial_of = [&](const std::string& source) {
    return RunProgram({"sh", "-c",
                       absl::StrCat(source, " | openssl x509 -noout -serial")})
        .out;
  };
  const auto shown = [&] {
    return serial_of(absl::StrCat("echo | openssl s_client -connect 127.0.0.1:",
                                  shim.port(), " 2>/dev/null"));
  };
  const std::string first = serial_of("cat " + certificate);
  EXPECT_EQ(shown(), first);
  IssueTlsCertificate(old_);
  const std::string second = serial_of("cat " + certificate);
  EXPECT_NE(second, first);
  EXPECT_TRUE(Eventually([&] { return shown() == second; })) << shim.Log();
}

}  // namespace
}  // namespace specula::testing
